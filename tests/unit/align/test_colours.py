"""Colours that photos tell: learned where captions name one, put where they name none, and how often that is right."""

import numpy as np
import pytest
import torch

from esmm.align.colours import Told, told_by_photos

COLOURS = ("red", "blue", "green")
COUNT = 180


def shop(*, lacking: float = 0.4, noise: float = 0.3) -> tuple[torch.Tensor, list[str], list[str]]:
    """Return features in which the colour is seen, captions of which some name it, and the colours themselves."""
    rng = np.random.default_rng(5)
    truth = [COLOURS[number % 3] for number in range(COUNT)]
    features = np.eye(3)[np.arange(COUNT) % 3] * 2 + rng.normal(0, noise, (COUNT, 3))
    silent = rng.random(COUNT) < lacking
    captions = [f"shirt {n}" if quiet else f"{truth[n]} shirt {n}" for n, quiet in enumerate(silent)]
    return torch.from_numpy(features).float(), captions, truth


def told(features: torch.Tensor, captions: list[str], *, sure: float = 0.5) -> Told:
    torch.manual_seed(1)
    return told_by_photos(features, captions, sure=sure, seed=1)


def test_captions_without_a_colour_get_the_one_that_the_photo_shows() -> None:
    features, captions, truth = shop()
    found = told(features, captions)
    silent = {number for number, caption in enumerate(captions) if caption.startswith("shirt")}
    assert found.colours.keys() <= silent
    assert len(found.colours) > 0.9 * len(silent)
    assert np.mean([truth[number] == colour for number, colour in found.colours.items()]) > 0.95
    assert found.precision > 0.95
    assert found.checked > 0.9 * (COUNT - len(silent))
    assert str(found) == (
        f"the colours of {len(found.colours)} pairs whose captions name none "
        f"({found.precision:.0%} of {found.checked} right where captions name one)"
    )


def test_photos_that_show_no_colour_tell_few_and_the_precision_says_so() -> None:
    _, captions, _ = shop()
    noise = torch.from_numpy(np.random.default_rng(2).normal(0, 1, (COUNT, 3))).float()
    found = told(noise, captions, sure=0.34)
    assert found.checked
    assert found.precision < 0.6
    assert len(told(noise, captions, sure=0.9).colours) == 0


@pytest.mark.parametrize("sure", [1.0, 2.0])
def test_nothing_is_told_if_nothing_is_sure_enough(sure: float) -> None:
    features, captions, _ = shop()
    assert told(features, captions, sure=sure) == Told()
    assert str(Told()) == "no colours that captions lack"


def test_nothing_is_told_where_few_different_captions_name_a_colour() -> None:
    features, captions, _ = shop()
    same = [caption if caption.startswith("shirt") else caption.rsplit(" ", 1)[0] for caption in captions]
    assert told(features, same) == Told()
    one = ["red" + caption.partition(" ")[2] for caption in captions]
    assert told(features, one) == Told()


def test_nothing_is_told_where_all_captions_name_a_colour() -> None:
    features, captions, _ = shop(lacking=0.0)
    assert told(features, captions) == Told()
