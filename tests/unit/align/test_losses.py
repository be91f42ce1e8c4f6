"""Each loss against its formula, written out by hand."""

import math

import numpy as np
import pytest
import torch

from esmm.align.losses import LOSSES, Comparison, cosine, infonce, same_product, triplet

MARGIN = 0.2
SCALE = 7.0
ALL = pytest.mark.parametrize("name", sorted(LOSSES))


def rows(count: int, dims: int = 6, *, seed: int = 0) -> torch.Tensor:
    made = torch.randn(count, dims, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(made, dim=1)


def compared(photos: torch.Tensor, texts: torch.Tensor, *unknown: tuple[int, int]) -> Comparison:
    marked = torch.zeros(len(photos), len(texts), dtype=torch.bool)
    for place in unknown:
        marked[place] = True
    return Comparison(photos, texts, marked, torch.tensor(SCALE, dtype=torch.float64))


def random(*unknown: tuple[int, int]) -> tuple[Comparison, np.ndarray]:
    """Four photos against their captions and three more, and the cosines."""
    given = compared(rows(4), rows(7, seed=1), *unknown)
    return given, given.photos.numpy() @ given.texts.numpy().T


def cross_entropy(row: np.ndarray, right: int, allowed: list[int]) -> float:
    return -math.log(math.exp(SCALE * row[right]) / sum(math.exp(SCALE * row[one]) for one in allowed))


def test_infonce() -> None:
    skipped = {(0, 1), (0, 5), (2, 3)}
    given, cosines = random(*skipped)
    there = [cross_entropy(cosines[i], i, [j for j in range(7) if (i, j) not in skipped]) for i in range(4)]
    back = [cross_entropy(cosines[:, j], j, [i for i in range(4) if (i, j) not in skipped]) for j in range(4)]
    assert infonce(given).item() == pytest.approx((np.mean(there) + np.mean(back)) / 2)


def test_triplet() -> None:
    skipped = {(0, 1), (0, 5), (2, 3)}
    given, cosines = random(*skipped)
    there, back = [], []
    for i in range(4):
        wrong = [cosines[i, j] for j in range(7) if j != i and (i, j) not in skipped]
        there.append(max(0, MARGIN + max(wrong) - cosines[i, i]))
        wrong = [cosines[j, i] for j in range(4) if j != i and (j, i) not in skipped]
        back.append(max(0, MARGIN + max(wrong) - cosines[i, i]))
    assert triplet(given).item() == pytest.approx((np.mean(there) + np.mean(back)) / 2)


def test_triplet_learns_from_the_hardest_wrong_partner_alone() -> None:
    photos = torch.tensor([[1.0, 0, 0]], dtype=torch.float64, requires_grad=True)
    texts = torch.tensor([[0.8, 0.6, 0], [0.6, 0, 0.8], [0.9, 0.1, math.sqrt(0.18)]], dtype=torch.float64)
    texts.requires_grad_(True)
    loss = triplet(compared(photos, texts))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx((MARGIN + 0.9 - 0.8) / 2)  # no photo beside the own one: nothing back
    assert texts.grad is not None
    assert texts.grad.abs().sum(1).gt(0).tolist() == [True, False, True]


def test_cosine() -> None:
    skipped = {(0, 1), (0, 5), (2, 3)}
    given, cosines = random(*skipped)
    wrong = [cosines[i, j] for i in range(4) for j in range(7) if i != j and (i, j) not in skipped]
    above = [one - MARGIN for one in wrong if one > MARGIN]
    assert len(above) >= 2
    expected = np.mean([1 - cosines[i, i] for i in range(4)]) + np.mean(above)
    assert cosine(given).item() == pytest.approx(expected)


def test_same_product() -> None:
    photos, scenes = rows(3), rows(3, seed=1)
    logits = 15 * (photos @ scenes.T).numpy()
    odds = np.exp(logits)
    there = -np.log(odds.diagonal() / odds.sum(1)).mean()
    back = -np.log(odds.diagonal() / odds.sum(0)).mean()
    none = torch.zeros(3, 3, dtype=torch.bool)
    assert same_product(photos, scenes, none).item() == pytest.approx((there + back) / 2)
    assert same_product(photos, scenes, ~none).item() == pytest.approx(0)


@ALL
def test_of_unknown_pairs_nothing_is_learned(name: str) -> None:
    """A text that is unknown to every photo moves nothing; marked wrong it does."""
    near = torch.nn.functional.normalize(rows(4).sum(0, keepdim=True), dim=1)
    for unknown, learned in (([(number, 4) for number in range(4)], False), ([], True)):
        texts = torch.cat([rows(4, seed=1), near]).requires_grad_(True)
        LOSSES[name](compared(rows(4), texts, *unknown)).backward()  # type: ignore[no-untyped-call]
        assert texts.grad is not None
        assert bool(texts.grad[4].abs().sum() > 0) is learned
        assert texts.grad[:4].abs().sum() > 0


@ALL
def test_the_own_caption_counts_even_if_it_is_marked_as_unknown(name: str) -> None:
    """A caption is compatible with itself, so the diagonal always arrives marked."""
    plain, marked = (random(*places)[0] for places in ([], [(number, number) for number in range(4)]))
    assert LOSSES[name](marked).item() == pytest.approx(LOSSES[name](plain).item())


@ALL
def test_perfect_alignment_costs_next_to_nothing_and_a_mix_up_a_lot(name: str) -> None:
    photos = torch.eye(4, 6, dtype=torch.float64)
    texts = torch.eye(6, dtype=torch.float64)
    scale = torch.tensor(50.0, dtype=torch.float64)
    unknown = torch.zeros(4, 6, dtype=torch.bool)
    assert LOSSES[name](Comparison(photos, texts, unknown, scale)).item() < 1e-6
    assert LOSSES[name](Comparison(photos.roll(1, 0), texts, unknown, scale)).item() > 1


@ALL
def test_where_all_wrong_partners_are_unknown_the_loss_is_a_number(name: str) -> None:
    photos = rows(3).requires_grad_(True)
    given = compared(photos, rows(3, seed=1), *[(i, j) for i in range(3) for j in range(3)])
    loss = LOSSES[name](given)
    loss.backward()  # type: ignore[no-untyped-call]
    assert math.isfinite(loss.item())
    assert photos.grad is not None
    assert torch.isfinite(photos.grad).all()


def test_a_higher_temperature_is_learned_by_infonce_alone() -> None:
    for name, learned in (("infonce", True), ("triplet", False), ("cosine", False)):
        scale = torch.tensor(SCALE, dtype=torch.float64, requires_grad=True)
        photos = rows(4).requires_grad_(True)
        loss = LOSSES[name](Comparison(photos, rows(7, seed=1), torch.zeros(4, 7, dtype=torch.bool), scale))
        loss.backward()  # type: ignore[no-untyped-call]
        assert (scale.grad is not None) is learned
