"""Persons stay out: hashes, cleaned queries, rare queries, noise."""

import numpy as np
import pytest

from esmm.learn.clicks.log import Impression
from esmm.learn.clicks.privacy import SALT, Door, anonymous, cleaned, noisy

KEPT = (
    "iphone 15 128gb", "iphone 15 pro max 256 gb", "wh-1000xm4", "sony ilce-7m4", "bosch 0451103079", "0 451 103 079",
    "4006381333931", "9780306406157", "0306406152", "012345678905", "hp 302xl 2 pack", "100-240 v 50-60 hz",
    "225/45 r17 91w", "2023-2024 calendar", "12-05-2023", "1920x1080 144hz", "ls27a600uuxxen", "5901234123457",
    "samsung qe55q60aauxxh", "00754869", "rtx 4070 12gb", "lego 75313", "90 x 200 cm", "m8x40 din 933", "3m 6200",
    "ffp2 50 100 200", "1234567890123456", "mobile 128 gb", "call of duty 2", "phone case iphone 13", "10 000 mah",
    "1/4 3/8 1/2", "@home", "5x10x15", "batteries aa 48 24 12", "usb 3.0 0.5m", "wd40 500ml",
)  # fmt: skip
CUT = {
    "john.smith+x@mail.example.com red shoe": "red shoe",
    "red shoe jane@example.org": "red shoe",
    "jane%40example.org": "",
    "jane (at) example (dot) org": "",
    "jane@example.org": "",
    "+49 170 1234567 lamp": "lamp",
    "lamp +1 (415) 555-2671": "lamp",
    "004915112345678": "",
    "0049 151 12345678": "",
    "(415) 555-2671": "",
    "415-555-2671": "",
    "415 555 2671": "",
    "1-415-555-2671": "",
    "0170 1234567": "",
    "0171/1234567": "",
    "020 7946 0958": "",
    "06 12 34 56 78": "",
    "0612345678": "",
    "01701234567": "",
    "tel. 5551234567": "",
    "whatsapp 30 1234 5678 sofa": "sofa",
    "4111 1111 1111 1111": "",
    "4111-1111-1111-1111 visa": "visa",
    "5500005555555559": "",
    "query 5 4111 1111 1111 1111": "query 5",
    "2020 4111 1111 1111 1111 12/25 123": "2020 12/25 123",
    "4111 1111 1111 1111 123": "123",
    "visa4111111111111111": "visa",
    "3782 822463 10005": "",
    "378282246310005": "",
    "378282246310005 amex": "amex",
}


@pytest.mark.parametrize("query", KEPT)
def test_codes_and_sizes_stay(query: str) -> None:
    assert cleaned(query) == (query, False)


@pytest.mark.parametrize("query", CUT)
def test_personal_data_goes(query: str) -> None:
    assert cleaned(query) == (CUT[query], True)


def test_spellings_become_one() -> None:
    assert cleaned("  Red\tSHOE ") == ("red shoe", False)


def test_hashes_depend_on_the_salt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SALT, "one")
    first = Door().hashed("ann")
    assert Door().hashed("ann") == first != Door().hashed("bob")
    monkeypatch.setenv(SALT, "two")
    assert Door().hashed("ann") != first
    monkeypatch.delenv(SALT)
    assert Door().hashed("ann") != Door().hashed("ann"), "a salt that nobody gave is drawn anew"


def test_a_door_does_not_show_its_salt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SALT, "very-secret")
    assert "very-secret" not in repr(Door()) + str(Door())


def searched(query: str, user: bytes | None) -> Impression:
    return Impression(query, ("1",), (1,), frozenset(), user=user)


def test_a_query_needs_users() -> None:
    lines = [searched("often", bytes([n])) for n in range(3)] + [searched("one's own", b"x")] * 9
    assert anonymous(lines, 3) == {"often"}
    assert anonymous(lines, 4) == set()
    # A line without a user is no user where others have one.
    assert anonymous([*lines, searched("often", None)], 4) == set()
    assert anonymous([searched("a", None)] * 3 + [searched("b", None)] * 2, 3) == {"a"}


def test_noise_is_laplace_of_the_stated_scale() -> None:
    counts = np.full((3, 20_000), 1_000.0)
    noise = noisy(counts, 0.5, 3) - counts
    assert abs(noise.mean()) < 0.3
    assert np.abs(noise).mean() == pytest.approx(3 / 0.5, rel=0.05)
    assert noise.std() == pytest.approx(np.sqrt(2) * 3 / 0.5, rel=0.05)
    assert noisy(counts * 0, 0.5, 3).min() == 0
    assert (noisy(counts, 0.5, 3) != noisy(counts, 0.5, 3)).any()
