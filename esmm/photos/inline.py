"""Photos that stand in the catalogue itself: data URIs and base64."""

import base64
import binascii
from urllib.parse import unquote_to_bytes

from esmm.errors import PhotoError
from esmm.photos.photo import limited, shown

# How JPEG, PNG, GIF, WebP, BMP, TIFF and AVIF begin in base64; a path that long has a dot in it.
_BASE64_STARTS = ("/9j/", "_9j_", "iVBORw0KGgo", "R0lGOD", "UklGR", "Qk", "SUkq", "TU0AK", "AAAA")
_BASE64_LENGTH = 64


def is_inline(text: str) -> bool:
    """Say whether a reference holds the photo itself."""
    return text.startswith("data:") or (
        text.startswith(_BASE64_STARTS) and len(text) >= _BASE64_LENGTH and "." not in text
    )


def read_inline(text: str) -> bytes:
    """Return the photo that a data URI or base64 text holds. Raises PhotoError."""
    if not text.startswith("data:"):
        return _from_base64(text.encode(), shown(text))
    head, comma, body = text.partition(",")
    if not comma:
        raise PhotoError(f"{shown(text)} is no data URI: it has no comma.", "Write data:image/jpeg;base64,...")
    data = unquote_to_bytes(body)
    return _from_base64(data, shown(text)) if head.lower().endswith(";base64") else limited(data, shown(text))


def _from_base64(text: bytes, name: str) -> bytes:
    packed = b"".join(text.split()).translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    try:
        return limited(base64.b64decode(packed + b"=" * (-len(packed) % 4), validate=True), name)
    except binascii.Error as error:
        raise PhotoError(f"{name} is not valid base64.", "Check that the text was not cut short.") from error
