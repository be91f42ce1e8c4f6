"""Views of product photos: they look different, but colour, shape and range stay."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from esmm.align.augment import as_floats, catalogue_view, ground_of, scene_view
from esmm.encoders.pixels import fitted

SIDE = 32
View = Callable[[torch.Tensor], torch.Tensor]
VIEWS = pytest.mark.parametrize("view", [catalogue_view, scene_view])


def product(*colour: int) -> np.ndarray:
    """A square of one colour on white, with its opacity."""
    pixels = np.full((SIDE, SIDE, 3), 255, dtype=np.uint8)
    pixels[8:24, 8:24] = colour
    return np.dstack([pixels, ground_of(pixels)])


def batch(*photos: np.ndarray) -> torch.Tensor:
    return as_floats(torch.from_numpy(np.stack(photos)))


def test_the_ground_is_what_is_bright_and_touches_the_border() -> None:
    pixels = np.full((20, 20, 3), 250, dtype=np.uint8)
    pixels[5:15, 5:15] = (200, 30, 30)
    pixels[8:12, 8:12] = 255  # white inside the product is the product's
    pixels[0, 0] = (250, 250, 241)  # not bright in every colour
    wanted = np.zeros((20, 20), dtype=np.uint8)
    wanted[5:15, 5:15] = 255
    wanted[0, 0] = 255
    found = ground_of(pixels)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, wanted)


def test_a_photo_without_a_plain_ground_is_all_product_and_an_empty_one_none() -> None:
    assert (ground_of(np.full((9, 9, 3), 100, dtype=np.uint8)) == 255).all()
    assert (ground_of(np.full((9, 9, 3), 255, dtype=np.uint8)) == 0).all()


def test_most_photos_of_the_sample_have_a_ground_and_a_product() -> None:
    photos = sorted((Path(__file__).parents[3] / "ingest" / "sample" / "photos").glob("*.jpg"))[:20]
    shares = [ground_of(fitted(Image.open(photo), 64)).mean() / 255 for photo in photos]
    assert np.median(shares) < 0.8
    assert min(shares) > 0.02


def test_floats_are_pixels_by_255_channels_first() -> None:
    pixels = torch.arange(2 * 3 * 5 * 4, dtype=torch.uint8).reshape(2, 3, 5, 4)
    found = as_floats(pixels)
    assert found.shape == (2, 4, 3, 5)
    assert found[1, 2, 0, 4].item() == pytest.approx(pixels[1, 0, 4, 2].item() / 255)


@VIEWS
@pytest.mark.parametrize("count", [2, 3, 8])
def test_views_keep_shape_and_range(view: View, count: int) -> None:
    torch.manual_seed(count)
    seen = view(batch(*[product(200, 30 * number, 40) for number in range(count)]))
    assert seen.shape == (count, 3, SIDE, SIDE)
    assert seen.min().item() >= 0
    assert seen.max().item() <= 1
    assert torch.isfinite(seen).all()


@VIEWS
def test_a_seed_repeats_the_views_and_another_one_does_not(view: View) -> None:
    photos = batch(product(200, 30, 40), product(10, 120, 40), product(90, 90, 200), product(5, 5, 5))
    made = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        made.append(view(photos))
    assert torch.equal(made[0], made[1])
    assert not torch.allclose(made[0], made[2])
    assert not torch.allclose(made[0], photos[:, :3], atol=0.05)


def hues(photos: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return hue (0 is red, 85 green, 170 blue) and saturation of each pixel, each up to 255."""
    pixels = (photos.permute(0, 2, 3, 1) * 255).round().to(torch.uint8).numpy()
    hsv = np.stack([np.asarray(Image.fromarray(one).convert("HSV")) for one in pixels])
    return hsv[..., 0].astype(int), hsv[..., 1]


@VIEWS
@pytest.mark.parametrize(("colour", "hue"), [((230, 0, 0), 0), ((0, 200, 0), 85), ((0, 0, 210), 170)])
def test_no_view_changes_a_hue(view: View, colour: tuple[int, int, int], hue: int) -> None:
    for seed in range(20):
        torch.manual_seed(seed)
        seen, saturation = hues(view(batch(product(*colour), product(*colour))))
        coloured = saturation > 100
        away = np.abs((seen[coloured] - hue + 128) % 256 - 128)
        assert coloured.mean() > 0.02
        assert np.quantile(away, 0.99) <= 6, (seed, away.max())


def test_the_catalogue_view_of_a_white_photo_is_near_white() -> None:
    torch.manual_seed(0)
    white = catalogue_view(torch.ones(64, 4, SIDE, SIDE))
    assert white.min().item() > 1 - 0.16
    assert white.mean().item() > 0.93


def test_the_catalogue_view_adds_no_edge_where_a_photo_is_moved_away() -> None:
    for seed in range(20):
        torch.manual_seed(seed)
        seen = catalogue_view(batch(product(230, 0, 0), product(230, 0, 0)))
        assert (seen[:, :, 0] - seen[:, :, -1]).abs().max().item() < 1e-5  # both are ground, lit alike


def test_the_catalogue_view_shows_the_product_whole_enough() -> None:
    for seed in range(20):
        torch.manual_seed(seed)
        red = catalogue_view(batch(product(200, 0, 0), product(200, 0, 0)))[:, 1] < 0.4
        shares = red.float().mean((1, 2)) / 0.25
        assert shares.min().item() > 0.5
        assert shares.max().item() < 1.4


def test_scenes_have_a_ground_of_other_photos_not_white() -> None:
    torch.manual_seed(0)
    shop = [product(200, 30, 40), product(10, 120, 40), product(90, 90, 200), product(5, 5, 5)] * 4
    corners = scene_view(batch(*shop))[:, :, :2, :2].mean((1, 2, 3))
    assert corners.std().item() > 0.05
    assert corners.mean().item() < 0.85


def test_the_first_half_of_the_scenes_are_piles_that_show_the_product_several_times() -> None:
    torch.manual_seed(3)
    red, grey = product(255, 0, 0), np.full((SIDE, SIDE, 4), 128, dtype=np.uint8)
    grey[..., 3] = 0  # nothing of it is product
    seen = scene_view(batch(red, red, grey, grey))
    pile, once = seen[:2], seen[2:]
    assert ((pile[:, 0] - pile[:, 1]) > 0.3).float().mean().item() > 0.15
    assert ((once[:, 0] - once[:, 1]) > 0.3).float().mean().item() < 0.6
