"""What keeps people out of judgements: user ids hashed at the door, queries cleaned, rare queries dropped, noise.

The salt of the hashes lives as long as the run: from the environment (ESMM_SALT), else drawn anew. It is never
written, printed or logged, so the hashes, which are not written either, could not be repeated.
"""

import hashlib
import hmac
import os
import re
import secrets
import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from esmm.learn.clicks.log import Impression

SALT = "ESMM_SALT"

_EMAIL = re.compile(r"[\w.+'-]+ ?(?:@|%40|\(at\)|\[at\]) ?[\w-]+(?: ?(?:\.|\(dot\)|\[dot\]) ?[\w-]+)+", re.IGNORECASE)
# As printed on cards, with other numbers before or behind; each shape is looked for by itself, also inside another's.
_CARDS = tuple(
    re.compile(rf"(?<!\d)(?=({shape})(?!\d))")
    for shape in (
        r"(?:\d{4}[ -]?){3}\d{4}[ -]?\d{3}",
        r"(?:\d{4}[ -]?){3}\d{4}",
        r"\d{4}[ -]?\d{6}[ -]?\d{4,5}",
        r"\d{13,19}",
    )
)
# Digits stay where they may as well be a model's code: a telephone number shows itself by a word, by + or 00, by the
# groups that people write, or by length after a 0. What is left is rare, and rare queries are dropped.
_TELEPHONES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:tel|telefon|telephone|phone|call|mobile|mobil|handy|whatsapp)\b[ .:]*\+?(?:[ ()./-]*\d){7,15}(?!\w)",
        r"(?<![\w+])\+\d{1,3}(?:[ ()./-]{0,2}\d){6,13}(?!\w)",
        r"(?<![\w.,-])00[1-9]\d?(?:[ ()./-]{0,2}\d){8,12}(?!\w)",
        r"(?<![\w.,-])(?:1[ -])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[ .-])[2-9]\d\d[ .-]\d{4}(?![\w-])",
        r"(?<![\w.,-])\(?0[1-9]\d{1,4}\)?(?: ?[/-] ?| )\d{3,4}(?:[ -]?\d{2,5}){1,3}(?![\w-])",
        r"(?<![\w.,-])0[1-9](?:[ .-]\d\d){4}(?![\w-])",
        r"(?<![\w.,-])0(?:[1-9]\d{9,10}|[67]\d{8})(?![\w-])",
    )
)


class Door:
    """Hashes user ids as they come in (HMAC-SHA256)."""

    def __init__(self) -> None:
        self._salt = os.environ.get(SALT, "").encode() or secrets.token_bytes(32)

    def __repr__(self) -> str:
        return "Door()"

    def hashed(self, user: object) -> bytes:
        """Return 16 bytes that stand for a user."""
        return hmac.digest(self._salt, str(user).encode("utf-8", "surrogatepass"), hashlib.sha256)[:16]


def cleaned(query: str) -> tuple[str, bool]:
    """Return a query in lower case without e-mail addresses, telephone and card numbers, and whether there were any."""
    text = unicodedata.normalize("NFKC", query)
    plain = _without_cards(_EMAIL.sub(" ", text))
    for number in _TELEPHONES:
        plain = number.sub(lambda found: found[0] if _is_gtin(found[0]) else " ", plain)
    return " ".join(plain.lower().split()), plain != text


def anonymous(impressions: "Iterable[Impression]", k: int) -> set[str]:
    """Return the queries that at least ``k`` users sent; where no line names a user, at least ``k`` lines count."""
    users: dict[str, set[bytes]] = {}
    lines: dict[str, int] = {}
    for impression in impressions:
        lines[impression.query] = lines.get(impression.query, 0) + 1
        if impression.user is not None:
            users.setdefault(impression.query, set()).add(impression.user)
    counts = {query: len(found) for query, found in users.items()} if users else lines
    return {query for query, count in counts.items() if count >= k}


def noisy(counts: "NDArray[np.float64]", epsilon: float, kinds: int) -> "NDArray[np.float64]":
    """Add Laplace noise of scale ``kinds / epsilon`` to counts, and cut what falls below 0.

    One line's doing with one product changes ``kinds`` counts by 1 each at most, so each such event is
    epsilon-differentially private in these counts. A person's many events are not, and neither are views, the curve
    and the choice of queries. The noise is drawn anew in each run.
    """
    import numpy as np

    noise = np.random.default_rng(secrets.randbits(128)).laplace(0.0, kinds / epsilon, counts.shape)
    return np.maximum(counts + noise, 0.0)


def _without_cards(text: str) -> str:
    for shape in _CARDS:
        for found in list(shape.finditer(text)):
            if _is_card(found[1]):
                text = text[: found.start(1)] + " " * len(found[1]) + text[found.end(1) :]
    return text


def _is_card(text: str) -> bool:
    """Say whether digits are a card's number: its first digit, Luhn's check, and no 13 digits of a product's code."""
    digits = re.sub(r"\D", "", text)
    return digits[0] in "23456" and _luhn(digits) and not (len(digits) == 13 and _is_gtin(text))


def _luhn(digits: str) -> bool:
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(doubled) + sum(int(digit) for digit in digits[::-2])) % 10 == 0


def _is_gtin(text: str) -> bool:
    """Say whether 10, 12 or 13 digits without a break are an ISBN, UPC or EAN by their check digit."""
    if not text.isdigit():
        return False
    if len(text) == 10:
        return sum((10 - place) * int(digit) for place, digit in enumerate(text)) % 11 == 0
    sums = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(text[::-1]))
    return len(text) in {12, 13} and sums % 10 == 0
