"""Pictures: from the bytes of a photo's file to a small upright RGB picture."""

import contextlib
import ctypes
import io
import logging
import struct
import warnings
from functools import cache
from typing import TYPE_CHECKING

from esmm.errors import PhotoError

if TYPE_CHECKING:
    from PIL import Image

MAX_SIDE = 320  # no backbone looks at more than 224 to 299 pixels a side
MAX_PIXELS = 50_000_000

# Not ICO: what is inside one may claim any size.
_FORMATS = (
    "JPEG",
    "PNG",
    "WEBP",
    "GIF",
    "AVIF",
    "BMP",
    "TIFF",
    "JPEG2000",
)
_ORIENTATION = 0x0112
# Pillow raises OSError on most damaged files, and any of the others where a header lies.
_FAULTS = (OSError, RuntimeError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, struct.error)
_TOO_LARGE = f"The photo has more than {MAX_PIXELS // 10**6} million pixels, or claims to."


def decode(data: bytes, *, max_side: int = MAX_SIDE) -> "Image.Image":
    """Decode a photo into RGB, upright, on white where it is transparent, its longer side at most ``max_side`` pixels.

    Takes JPEG, PNG, WebP, GIF, AVIF, BMP, TIFF and JPEG 2000, whatever the file is called, and of several frames the
    first. Raises PhotoError for what is no photo, is cut short (half a photo would be found as something else) or has
    more than MAX_PIXELS pixels (seen in the header, before decoding). Only pixels come out: what else a file holds,
    a script or an archive, goes no further.
    """
    from PIL import Image, UnidentifiedImageError

    _quieten()
    try:
        image = _opened(data)
        small = _resizable(image)
        small.thumbnail((max_side, max_side), reducing_gap=2.0)  # a large JPEG is decoded at a fraction of its size
        picture = _upright(_on_white(small), image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PhotoError(_TOO_LARGE, "Shrink the photo.") from error
    except UnidentifiedImageError as error:
        raise PhotoError(_what_it_is(data), "Give a JPEG, PNG, WebP, GIF, AVIF, BMP or TIFF file.") from error
    except _FAULTS as error:
        raise PhotoError("The photo is cut short or damaged.", "Fetch or export it again.") from error
    picture.info.clear()
    return picture


def _opened(data: bytes) -> "Image.Image":
    from PIL import Image

    Image.init()  # Pillow knows only five formats before
    image = Image.open(io.BytesIO(data), formats=[name for name in _FORMATS if name in Image.OPEN])
    pixels = image.width * image.height
    if not pixels:
        raise PhotoError(f"The photo has no pixels: {image.width} x {image.height}.", "Export it again.")
    if pixels > MAX_PIXELS:
        raise PhotoError(_TOO_LARGE, "Shrink the photo.")
    return image


@cache
def _quieten() -> None:
    """Keep the terminal free of what Pillow warns of and libtiff prints; what matters becomes a PhotoError."""
    from PIL import Image

    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    # What Pillow links to is found through Pillow; not so on Windows, where libtiff is part of it.
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler(None)  # type: ignore[attr-defined]


def _what_it_is(data: bytes) -> str:
    start = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not data:
        return "The photo is empty: it has 0 bytes."
    if start.startswith((b"<!doctype html", b"<html")):
        return "This is a web page, not a photo."
    if start.startswith(b"<") and b"<svg" in start:
        return "This is an SVG drawing, not a photo."
    return "This is not a photo of a kind that can be read."


def _resizable(image: "Image.Image") -> "Image.Image":
    """Bring a picture into a mode in which pixels can be averaged."""
    if image.mode.startswith("I"):  # 16 bits of grey: a plain conversion would make nearly all of it white
        grey = image.convert("I").point(lambda level: level * (1 / 257)).convert("L")
        grey.info.pop("transparency", None)
        return grey
    if "transparency" in image.info or image.mode == "PA":
        return image.convert("RGBA")
    return image.convert("RGB") if image.mode in {"P", "1"} else image


def _on_white(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    if image.mode not in {"RGBA", "LA"}:
        return image.convert("RGB")
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _upright(image: "Image.Image", original: "Image.Image") -> "Image.Image":
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    try:
        turn = turns.get(original.getexif().get(_ORIENTATION, 1))
    except _FAULTS:  # broken EXIF costs the turn, not the photo
        return image
    return image if turn is None else image.transpose(turn)
