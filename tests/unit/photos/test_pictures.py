"""Hostile, odd and broken files: what becomes a picture all the same, what is refused, and that nothing is printed."""

import io
import resource
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from esmm.errors import PhotoError
from esmm.photos import decode

RED, BLUE, WHITE = (220, 20, 20), (20, 20, 220), (255, 255, 255)


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def plain(colour: tuple[int, int, int], mode: str = "RGB") -> Image.Image:
    return Image.new("RGB", (30, 30), colour).convert(mode)


def colour_of(data: bytes, x: int = 15, y: int = 15) -> tuple[int, ...]:
    pixel = decode(data).getpixel((x, y))
    assert isinstance(pixel, tuple)
    return pixel


def near(colour: tuple[int, int, int]) -> Any:
    return pytest.approx(colour, abs=6)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(
    width: int, height: int, *, pixel: bytes = bytes(3), kind: int = 2, depth: int = 8, extra: bytes = b""
) -> bytes:
    """A PNG of one colour, packed row by row."""
    packer = zlib.compressobj()
    rows = b"".join(packer.compress(b"\0" + pixel * width) for _ in range(height)) + packer.flush()
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


# --- odd, but photos ---


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "AVIF", "TIFF", "MPO"])
def test_of_several_frames_the_first_counts(form: str) -> None:
    data = encoded(plain(BLUE), form, save_all=True, append_images=[plain(RED)] * 3)
    assert colour_of(data) == near(BLUE)


@pytest.mark.parametrize(("form", "mode"), [("JPEG", "CMYK"), ("TIFF", "CMYK"), ("JPEG", "YCbCr"), ("TIFF", "YCbCr")])
def test_printers_colours(form: str, mode: str) -> None:
    data = encoded(plain(RED, mode), form)
    assert (b"Adobe" in data) == ((form, mode) == ("JPEG", "CMYK"))  # such a file holds its colours inverted
    assert colour_of(data) == near(RED)


@pytest.mark.parametrize(
    ("kind", "pixel", "seen"),
    [
        (0, ">H", (128, 128, 128)),
        (2, ">HHH", (128, 0, 255)),
        (4, ">HH", (191, 191, 191)),
        (6, ">HHHH", (191, 127, 255)),
    ],
    ids=["grey", "RGB", "grey and alpha", "RGB and alpha"],
)
def test_sixteen_bits(kind: int, pixel: str, seen: tuple[int, int, int]) -> None:
    values = {0: [32896], 2: [32896, 0, 65535], 4: [32896, 32896], 6: [32896, 0, 65535, 32896]}[kind]
    assert colour_of(png(30, 30, pixel=struct.pack(pixel, *values), kind=kind, depth=16)) == near(seen)


@pytest.mark.parametrize("transparency", [0, bytes([0, 255]), bytes([0])])
def test_a_palette_with_transparency_lies_on_white(transparency: int | bytes) -> None:
    image = Image.new("P", (30, 30), 0)
    image.putpalette([*RED, *BLUE])
    image.paste(1, (0, 0, 15, 30))
    data = encoded(image, "PNG", transparency=transparency)
    assert colour_of(data, 2) == BLUE
    assert colour_of(data, 25) == WHITE


def test_a_gif_with_transparency_lies_on_white() -> None:
    image = Image.new("P", (30, 30), 0)
    image.putpalette([*RED, *BLUE])
    image.paste(1, (0, 0, 15, 30))
    data = encoded(image, "GIF", transparency=0)
    assert colour_of(data, 2) == near(BLUE)
    assert colour_of(data, 25) == WHITE


def _with_zip_behind(data: bytes) -> bytes:
    file = io.BytesIO(data)
    file.seek(0, 2)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("evil.exe", b"MZ" * 1000)
    return file.getvalue()


JPEG = encoded(plain(RED), "JPEG")


@pytest.mark.parametrize(
    "data",
    [
        _with_zip_behind(JPEG),
        JPEG[:2] + b"\xff\xfe\x00\x1d<svg onload=alert(1)></svg>" + JPEG[2:],
        JPEG + b"<?php system($_GET['c']); ?>",
        encoded(plain(RED), "GIF") + b"*/=1;alert(1);//",
        encoded(plain(RED), "PNG") + b"%PDF-1.7",
        encoded(plain(RED), "PNG") + encoded(plain(BLUE), "JPEG"),
    ],
    ids=["JPEG and zip", "JPEG and SVG", "JPEG and PHP", "GIF and JS", "PNG and PDF", "PNG and JPEG"],
)
def test_polyglots_give_their_pixels_and_nothing_else(data: bytes) -> None:
    image = decode(data)
    assert image.getpixel((15, 15)) == near(RED)
    assert image.info == {}


# --- refused ---


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b'GIF89a=1;/*<svg xmlns="http://www.w3.org/2000/svg"/>*/', "cut short|not a photo|no pixels"),
        (b"<!-- a comment --><SVG width='9'/>", "SVG drawing"),
        ('<?xml version="1.0" encoding="utf-16"?><svg/>'.encode("utf-16"), "not a photo"),
        (b"\x1f\x8b" + zlib.compress(b"<svg/>"), "not a photo"),
        (b"PK\x03\x04" + bytes(99), "not a photo"),
        (b"%PDF-1.7\n", "not a photo"),
        (bytes(1000), "not a photo"),
        (b"\xff\xd8\xff", "cut short|not a photo"),
        (JPEG[:-2], "cut short"),
        (JPEG[: len(JPEG) // 2], "cut short"),
        (png(0, 30), "no pixels|cut short|not a photo"),
        (png(30, 0), "no pixels|cut short|not a photo"),
    ],
    ids=range(12),
)
def test_what_is_no_whole_photo(data: bytes, what: str) -> None:
    with pytest.raises(PhotoError, match=what) as caught:
        decode(data)
    assert caught.value.hint


def icon(inner: bytes) -> bytes:
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(inner), 22) + inner


@pytest.mark.parametrize(
    "data",
    [
        png(8000, 8000),
        icon(png(8000, 8000)),
        png(9, 9, extra=chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(200 << 20)))),
        png(9, 9, extra=chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(200 << 20)))),
    ],
    ids=["pixels", "pixels in an icon", "text", "profile"],
)
def test_bombs_do_not_go_off(data: bytes) -> None:
    """Each of these is small, and would fill 190 MB and more."""
    assert len(data) < 400_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(PhotoError, match=r"million pixels|cut short|not a photo"):
        decode(data)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


DECODER = """
import sys
from pathlib import Path
from esmm.errors import PhotoError
from esmm.photos import decode
seen = 0
for path in Path(sys.argv[1]).iterdir():
    try:
        decode(path.read_bytes())
    except PhotoError:
        seen += 1
print(seen)
"""


def test_nothing_is_printed_about_damaged_files(tmp_path: Path) -> None:
    """Neither by Pillow's warnings and logs nor by libtiff, which writes past Python."""
    noise = Image.effect_noise((60, 60), 90).convert("RGB")
    kinds = [encoded(noise, "TIFF", compression=c) for c in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")]
    kinds += [encoded(noise, form) for form in ("JPEG", "GIF", "WEBP", "TIFF")]
    for kind, data in enumerate(kinds):
        for at in [*range(0, 60, 7), *range(60, len(data), len(data) // 25)]:
            damaged = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
            (tmp_path / f"{kind}-{at}").write_bytes(damaged)
    (tmp_path / "large").write_bytes(png(10_000, 9_001))
    done = subprocess.run(
        [sys.executable, "-c", DECODER, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
    assert int(done.stdout) > 50
