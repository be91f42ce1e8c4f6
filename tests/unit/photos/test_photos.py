"""Photos: found wherever a catalogue may point, decoded whatever they are, refused in one sentence."""

import base64
import io
import os
import struct
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from PIL import Image

from esmm.errors import CatalogueError, PhotoError
from esmm.photos import MAX_PHOTO_BYTES, Photos, connections, decode, fetch

RED, BLUE, WHITE = (220, 20, 20), (20, 20, 220), (255, 255, 255)


def picture(size: tuple[int, int] = (40, 20), mode: str = "RGB") -> Image.Image:
    """A red picture with a blue left half."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (0, 0, size[0] // 2, size[1]))
    return image.convert(mode)


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def near(image: Image.Image, x: int, y: int, colour: tuple[int, int, int]) -> bool:
    pixel = image.getpixel((x, y))
    assert isinstance(pixel, tuple)
    return max(abs(a - b) for a, b in zip(pixel, colour, strict=True)) < 40


PHOTO = encoded(picture(), "JPEG", quality=95)


# --- where photos are found ---


@pytest.fixture
def sources(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "shop"
    (folder / "large").mkdir(parents=True)
    (folder / "large" / "1.jpg").write_bytes(b"from folder")
    (tmp_path / "secret.jpg").write_bytes(b"outside")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("large/1.jpg", b"from zip")
        archive.writestr("large/8314.jpg", PHOTO)
        archive.writestr("windows\\7.jpg", b"seven")
    return [folder, tmp_path / "photos.zip"]


@pytest.mark.parametrize(
    ("reference", "data"),
    [
        ("large/1.jpg", b"from folder"),
        ("./large/1.jpg", b"from folder"),
        (" large/x/../1.jpg ", b"from folder"),
        ("large\\8314.jpg", PHOTO),
        ("large/8314.jpg", PHOTO),
        ("windows/7.jpg", b"seven"),
    ],
)
def test_paths_are_looked_up_in_order(sources: list[Path], reference: str, data: bytes) -> None:
    with Photos(sources) as photos:
        assert photos.read(reference) == data
    with Photos(sources[::-1]) as photos:
        assert photos.read("large/1.jpg") == b"from zip"


def test_absolute_path_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(PHOTO)
    with Photos([]) as photos:
        assert photos.read(str(tmp_path / "a.jpg")) == PHOTO
        assert photos.read(PHOTO) == PHOTO


@pytest.mark.parametrize(
    ("reference", "what"),
    [
        ("large/2.jpg", "'large/2.jpg' is not in .*shop, .*photos.zip"),
        ("large", "'large' is not in"),
        ("C:\\photos\\1.jpg", "is not in"),
        ("x" * 300 + ".jpg", "cannot be read: File name too long"),
        ("../secret.jpg", "leads out of the photo folder"),
        ("large/../../secret.jpg", "leads out of the photo folder"),
        ("..\\secret.jpg", "leads out of the photo folder"),
        ("/no/such/photo.jpg", "'/no/such/photo.jpg' does not exist"),
        ("/dev/zero", "does not exist"),
        ("", "is no path"),
        (".", "is no path"),
        ("a\0.jpg", "is no path"),
        ("ftp://shop.example/1.jpg", "cannot be fetched by ftp:"),
        ("file:///etc/passwd", "cannot be fetched by file:"),
        ("data:image/png;base64", "no comma"),
        ("data:image/png;base64,@@@@", "not valid base64"),
        ("data:image/png;base64,iVBOR", "not valid base64"),
        ("/9j/4AAQ" + "A" * 80 + "#", "not valid base64"),
    ],
)
def test_a_photo_that_cannot_be_had(sources: list[Path], reference: str, what: str) -> None:
    with Photos(sources) as photos, pytest.raises(PhotoError, match=what) as caught:
        photos.read(reference)
    assert caught.value.hint
    assert len(caught.value.message) < 1000


def test_a_missing_photo_names_three_places_at_most(tmp_path: Path) -> None:
    folders = [tmp_path / str(n) for n in range(5)]
    for folder in folders:
        folder.mkdir()
    with Photos(folders) as photos, pytest.raises(PhotoError, match=r"/0, .*/1, .*/2 and 2 more"):
        photos.read("1.jpg")
    with Photos([]) as photos, pytest.raises(PhotoError, match="no folder or zip file of photos was named"):
        photos.read("1.jpg")


def test_photos_that_are_too_large(tmp_path: Path) -> None:
    large = bytes(MAX_PHOTO_BYTES + 1)
    (tmp_path / "a.jpg").write_bytes(large)
    (tmp_path / "b.jpg").write_bytes(large[1:])
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("z.jpg", large)
    inline = f"data:;base64,{base64.b64encode(large).decode()}"
    with Photos([tmp_path, tmp_path / "a.zip"]) as photos:
        for reference in ("a.jpg", "z.jpg", large, inline):
            with pytest.raises(PhotoError, match="larger than 20 MiB"):
                photos.read(reference)
        assert len(photos.read("b.jpg")) == MAX_PHOTO_BYTES


def test_a_damaged_zip_member_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("bad.jpg", PHOTO)
        archive.writestr("good.jpg", b"good")
    path.write_bytes(path.read_bytes().replace(PHOTO[:200], PHOTO[:199] + b"?", 1))
    with Photos([path]) as photos:
        with pytest.raises(PhotoError, match="damaged or locked"):
            photos.read("bad.jpg")
        assert photos.read("good.jpg") == b"good"


def test_sources_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no zip")
    with pytest.raises(CatalogueError, match="does not exist"):
        Photos([tmp_path / "none.zip"])
    with pytest.raises(CatalogueError, match="neither a folder nor a whole zip"):
        Photos([tmp_path, tmp_path / "a.txt"])


def test_photos_are_read_from_many_threads(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(200):
            archive.writestr(f"{n}.jpg", str(n) * 5000)
    with Photos([tmp_path / "a.zip"]) as photos, ThreadPoolExecutor(8) as pool:
        wanted = list(range(200)) * 10
        assert list(pool.map(lambda n: photos.read(f"{n}.jpg"), wanted)) == [(str(n) * 5000).encode() for n in wanted]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"])
def test_bare_base64_of_each_format(form: str) -> None:
    data = encoded(picture(), form)
    text = base64.b64encode(data).decode()
    with Photos([]) as photos:
        assert photos.read(text) == data
        assert photos.read("\n".join(text[i : i + 76] for i in range(0, len(text), 76)).rstrip("=")) == data
        assert photos.read(base64.urlsafe_b64encode(data).decode()) == data


def test_data_uri_with_and_without_base64() -> None:
    with Photos([]) as photos:
        assert photos.read(f"data:image/jpeg;base64,{base64.b64encode(PHOTO).decode()}") == PHOTO
        assert photos.read(f"data:image/jpeg;base64,{quote(base64.b64encode(PHOTO), safe='')}") == PHOTO
        assert photos.read(f"data:image/jpeg,{quote(PHOTO)}") == PHOTO


# --- what tells that a photo is the one from before ---


def test_identity_follows_a_file(sources: list[Path]) -> None:
    path = sources[0] / "large" / "1.jpg"
    with Photos(sources) as photos:
        before = photos.identity("large/1.jpg")
        assert before is not None
        assert len(before) == 16
        assert photos.identity("./large//1.jpg") == photos.identity(" large\\1.jpg ") == before
        path.write_bytes(b"longer than before")
        longer = photos.identity("large/1.jpg")
        os.utime(path, ns=(0, 0))
        older = photos.identity("large/1.jpg")
        path.unlink()
        in_zip = photos.identity("large/1.jpg")
    assert len({before, longer, older, in_zip, None}) == 5


def test_identity_of_a_zip_member_follows_its_checksum(tmp_path: Path) -> None:
    def identity(data: bytes, when: int) -> bytes | None:
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr(zipfile.ZipInfo("1.jpg", (when, 1, 1, 0, 0, 0)), data)
        with Photos([tmp_path / "a.zip"]) as photos:
            return photos.identity("1.jpg")

    assert identity(b"one", 2020) == identity(b"one", 2024) != identity(b"two", 2020)


def test_identity_of_photos_given_inline() -> None:
    text = base64.b64encode(PHOTO).decode()
    with Photos([]) as photos:
        for reference in (PHOTO, text, f"data:image/jpeg;base64,{text}"):
            found = photos.identity(reference)
            assert found == photos.identity(reference) != photos.identity(reference[:-9] + reference[-8:])
            assert found is not None
            assert len(found) == 16


@pytest.mark.parametrize("reference", ["none.jpg", "/no/such.jpg", "large", "../a.jpg", "", "ftp://h/1.jpg", "a\0"])
def test_what_cannot_be_had_has_no_identity(sources: list[Path], reference: str) -> None:
    with Photos(sources) as photos:
        assert photos.identity(reference) is None


# --- decoding ---


@pytest.mark.parametrize(
    ("form", "mode"),
    [
        ("JPEG", "RGB"),
        ("JPEG", "CMYK"),
        ("PNG", "RGB"),
        ("PNG", "RGBA"),
        ("PNG", "P"),
        ("GIF", "P"),
        ("WEBP", "RGB"),
        ("AVIF", "RGB"),
        ("BMP", "RGB"),
        ("TIFF", "CMYK"),
        ("JPEG2000", "RGB"),
    ],
)
def test_each_format_becomes_small_rgb(form: str, mode: str) -> None:
    image = decode(encoded(picture((240, 120), mode), form), max_side=60)
    assert image.mode == "RGB"
    assert max(image.size) == 60
    assert near(image, 10, image.height // 2, BLUE)
    assert near(image, 50, image.height // 2, RED)


@pytest.mark.parametrize(
    ("size", "expected"), [((3000, 1000), (320, 107)), ((10, 2000), (2, 320)), ((64, 48), (64, 48))]
)
def test_only_large_photos_shrink(size: tuple[int, int], expected: tuple[int, int]) -> None:
    for form in ("JPEG", "PNG"):
        assert decode(encoded(picture(size), form)).size == expected


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(
    ("orientation", "size", "blue"),
    [
        (1, (40, 20), (3, 10)),
        (2, (40, 20), (36, 10)),
        (3, (40, 20), (36, 10)),
        (4, (40, 20), (3, 10)),
        (5, (20, 40), (10, 3)),
        (6, (20, 40), (10, 3)),
        (7, (20, 40), (10, 36)),
        (8, (20, 40), (10, 36)),
    ],
)
def test_exif_rotation(form: str, orientation: int, size: tuple[int, int], blue: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = decode(encoded(picture(), form, exif=exif))
    assert image.size == size
    assert near(image, *blue, BLUE)


def test_broken_exif_costs_only_the_turn() -> None:
    image = decode(encoded(picture(), "JPEG", exif=b"Exif\0\0MM\xff\xff\0\0\0\x08"))
    assert image.size == (40, 20)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_laid_on_white(mode: str) -> None:
    image = Image.new("RGBA", (600, 600), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 300, 600))
    small = decode(encoded(image.convert(mode)), max_side=60)
    assert near(small, 10, 30, (0, 0, 0))
    assert near(small, 50, 30, WHITE)


def test_a_colour_named_transparent_is_laid_on_white() -> None:
    image = decode(encoded(picture(), "PNG", transparency=RED))
    assert near(image, 5, 10, BLUE)
    assert near(image, 35, 10, WHITE)


def test_sixteen_bits_keep_their_greys() -> None:
    image = Image.new("I;16", (40, 20), 32768)
    for form in ("PNG", "TIFF"):
        assert near(decode(encoded(image, form)), 5, 5, (127, 127, 127))


def test_of_an_animation_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (30, 30), BLUE), Image.new("RGB", (30, 30), RED)]
    for form in ("GIF", "WEBP"):
        assert near(decode(encoded(frames[0], form, save_all=True, append_images=frames[1:])), 9, 9, BLUE)


def png_claiming(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(header)) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    return b"\x89PNG\r\n\x1a\n" + chunk + encoded(picture())[33:]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "0 bytes"),
        (b"only words, renamed to .jpg", "not a photo of a kind"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG drawing"),
        (b"\xef\xbb\xbf <svg/>", "SVG drawing"),
        (b"\n<!DOCTYPE html><html><svg/></html>", "web page"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a photo of a kind"),
        (PHOTO[: len(PHOTO) // 2], "cut short"),
        (encoded(Image.effect_noise((99, 99), 90))[:5000], "cut short"),
        (encoded(Image.effect_noise((99, 99), 90), "WEBP")[:900], "cut short"),
        (png_claiming(100_000, 100_000), "more than 50 million pixels"),
        (png_claiming(11_000, 9_000), "more than 50 million pixels"),
        (png_claiming(10_000, 5_001), "more than 50 million pixels"),
        (b"GIF89a" + bytes(7) + b";", "cut short|no pixels|not a photo"),
    ],
    ids=range(13),
)
def test_what_is_no_photo_is_refused(data: bytes, what: str) -> None:
    with pytest.raises(PhotoError, match=what) as caught:
        decode(data)
    assert caught.value.hint


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow tells of broken tags that way, too
def test_damage_of_any_kind_is_a_photo_error() -> None:
    kinds = [encoded(picture((60, 60)), form) for form in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "JPEG2000")]
    refused = 0
    for data in kinds:
        for at in range(0, min(len(data), 400), 3):
            for damaged in (data[:at], data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]):
                try:
                    assert decode(damaged).mode == "RGB"
                except PhotoError:
                    refused += 1
    assert refused > 500


# --- photos by URL, from a server of our own ---


class _Shop(BaseHTTPRequestHandler):
    """Answers by path and notes what was asked."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        answers: dict[str, Callable[[], None]] = {
            "/loop": lambda: self._send(302, b"", Location="/loop"),
            "/moved": lambda: self._send(301, b"", Location="/photo.jpg?size=l"),
            "/to-file": lambda: self._send(302, b"", Location="file:///etc/passwd"),
            "/slow": lambda: time.sleep(0.6),
            "/drip": self._drip,
            "/cut": lambda: self._send(200, PHOTO[:100], Length=str(len(PHOTO))),
            "/huge": lambda: self._send(200, PHOTO, Length=str(MAX_PHOTO_BYTES + 1)),
            "/endless": self._endless,
            "/500": lambda: self._send(500, b"sorry"),
            "/500?signature=hunter2": lambda: self._send(500, b"sorry"),
            "/404": lambda: self._send(404, b"no such page"),
            "/flaky": lambda: self._send(200 if self.asked.count("/flaky") == 3 else 503, PHOTO),
        }
        answers.get(self.path, lambda: self._send(200, PHOTO))()

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", headers.pop("Length", str(len(body))))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(10):
            self.wfile.write(b"x")
            time.sleep(0.1)

    def _endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(30):
            self.wfile.write(bytes(1 << 20))

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Clients that hang up are part of these tests."""


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(fetch, "FIRST_WAIT", 0.01)
    _Shop.asked = []
    with _Server(("127.0.0.1", 0), _Shop) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def photos() -> Iterator[Photos]:
    with Photos([], allow_private=True) as photos:
        yield photos


def test_photo_by_url(shop: str, photos: Photos) -> None:
    assert photos.read(f"{shop}/photo.jpg") == PHOTO
    assert photos.read(f"{shop.replace('http', 'HTTP')}/größe 1.jpg?a=b c") == PHOTO
    assert photos.read(f"{shop}/moved") == PHOTO
    assert _Shop.asked == ["/photo.jpg", "/gr%C3%B6%C3%9Fe%201.jpg?a=b%20c", "/moved", "/photo.jpg?size=l"]


@pytest.mark.parametrize(
    ("path", "what", "requests"),
    [
        ("/404", "answers with status 404", 1),
        ("/500", "answers with status 500", 3),
        ("/cut", "broke off", 3),
        ("/loop", "redirected more than 3 times", 4),
        ("/to-file", "no http or https URL", 1),
        ("/huge", "larger than 20 MiB", 1),
        ("/endless", "larger than 20 MiB", 1),
    ],
)
def test_a_url_that_gives_no_photo(shop: str, photos: Photos, path: str, what: str, requests: int) -> None:
    with pytest.raises(PhotoError, match=what) as caught:
        photos.read(shop + path)
    assert caught.value.hint
    assert len(_Shop.asked) == requests


def test_a_server_error_that_passes(shop: str, photos: Photos) -> None:
    assert photos.read(f"{shop}/flaky") == PHOTO
    assert _Shop.asked == ["/flaky"] * 3


def test_slow_servers(shop: str, photos: Photos, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "DEADLINE", 0.3)
    with pytest.raises(PhotoError, match="takes longer than"):
        photos.read(f"{shop}/drip")
    monkeypatch.setattr(connections, "TIMEOUT", 0.1)
    with pytest.raises(PhotoError, match="did not answer in time"):
        photos.read(f"{shop}/slow")
    assert _Shop.asked == ["/drip", *["/slow"] * 3]


def test_secrets_in_a_url_stay_out_of_messages(shop: str, photos: Photos) -> None:
    host = shop.removeprefix("http://")
    for url in (
        f"http://me:hunter2@{host}/1.jpg",
        f"{shop}/500?signature=hunter2",
        "http://[hunter2",
        "http://hunter2@",
    ):
        with pytest.raises(PhotoError) as caught:
            photos.read(url)
        assert "hunter2" not in str(caught.value)
    assert _Shop.asked == ["/500?signature=hunter2"] * 3


@pytest.mark.parametrize(
    "url", ["http://", "http:///1.jpg", "http://a..b/1.jpg", "http://h:99999/", "https://a b/1.jpg"]
)
def test_a_url_that_is_none(photos: Photos, url: str) -> None:
    with pytest.raises(PhotoError, match=r"address of a photo has no|is no http"):
        photos.read(url)


def test_nothing_listens_there(photos: Photos, shop: str) -> None:
    with pytest.raises(PhotoError, match="cannot be reached"):
        photos.read("http://127.0.0.1:1/photo.jpg")
    with pytest.raises(PhotoError, match="cannot be reached"):
        photos.read(f"{shop.replace('http', 'https')}/photo.jpg")
