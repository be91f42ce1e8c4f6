"""Pictures: from the bytes of a photo's file to a small upright RGB picture."""

import io
import struct
from typing import TYPE_CHECKING

from esmm.errors import PhotoError

if TYPE_CHECKING:
    from PIL import Image

MAX_SIDE = 320  # no backbone looks at more than 224 to 299 pixels a side
MAX_PIXELS = 50_000_000

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "BMP", "TIFF", "JPEG2000", "ICO")
_ORIENTATION = 0x0112
# Pillow raises OSError on most damaged files, and any of the others where a header lies.
_FAULTS = (OSError, RuntimeError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, struct.error)
_TOO_LARGE = f"The photo has more than {MAX_PIXELS // 10**6} million pixels, or claims to."


def decode(data: bytes, *, max_side: int = MAX_SIDE) -> "Image.Image":
    """Decode a photo into RGB, upright, on white where it is transparent, its longer side at most ``max_side`` pixels.

    Takes JPEG, PNG, WebP, GIF (first frame), AVIF, BMP, TIFF, JPEG 2000 and ICO. Raises PhotoError for what is no
    photo, is cut short or has more than MAX_PIXELS pixels (seen in the header, before decoding).
    """
    from PIL import Image, UnidentifiedImageError

    try:
        image = _opened(data)
        small = _resizable(image)
        small.thumbnail((max_side, max_side), reducing_gap=2.0)  # a large JPEG is decoded at a fraction of its size
        return _upright(_on_white(small), image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PhotoError(_TOO_LARGE, "Shrink the photo.") from error
    except UnidentifiedImageError as error:
        raise PhotoError(_what_it_is(data), "Give a JPEG, PNG, WebP, GIF, AVIF, BMP or TIFF file.") from error
    except _FAULTS as error:
        raise PhotoError("The photo is cut short or damaged.", "Fetch or export it again.") from error


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
