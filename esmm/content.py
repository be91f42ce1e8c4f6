"""What a content is known by, wherever it came from."""

import hashlib


def content_key(content: str | bytes) -> bytes:
    """Return the 16-byte key of a text or of the bytes of a photo."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).digest()[:16]
