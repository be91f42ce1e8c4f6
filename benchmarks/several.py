"""Several photos a product: one mean vector, as esmm stores it, or the best of all (what a nested field would give).

The grocery set has one iconic photo a product and photos from real shops. Half of those become further photos of the
product, drawn by seed; the other half are the questions. Exact cosines over all products. The shipped tower was trained
on these photos, so a tower is asked that was not: that of `python -m benchmarks.tower projection`.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from benchmarks.aligned import PROJECTION, Shop
from benchmarks.common import GROCERY, SEED, cell, publish, table
from benchmarks.tower import START, TOWERS
from esmm.encoders import Encoder
from esmm.encoders.tower import TowerEncoder
from esmm.encoders.vision import VisionEncoder

FURTHER = (0, 1, 3)


def halves(shop: Shop) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Return the further photos of each product, and the product on each photo that is a question."""
    by_product: dict[str, list[str]] = defaultdict(list)
    for photo, gains in shop.gains.items():
        by_product[next(iter(gains))].append(photo)
    rng = np.random.default_rng(SEED)
    drawn = {product: list(rng.permutation(photos)) for product, photos in by_product.items()}
    asked = {photo: product for product, photos in drawn.items() for photo in photos[len(photos) // 2 :]}
    return {product: photos[: len(photos) // 2] for product, photos in drawn.items()}, asked


def ranks(nearness: np.ndarray, right: Sequence[int]) -> np.ndarray:
    """Return the rank of the right product for each question."""
    own = nearness[np.arange(len(right)), right][:, None]
    return np.asarray((nearness > own).sum(axis=1) + 1)


def main() -> None:
    """Measure and publish."""
    shop = Shop(GROCERY)
    further, asked = halves(shop)
    places = {product: place for place, product in enumerate(shop.ids)}
    right = [places[product] for product in asked.values()]
    rows = []
    encoders: dict[str, Encoder] = {
        "mobilenet_v2 as it comes": VisionEncoder("mobilenet_v2", weights=START),
        PROJECTION: TowerEncoder(TOWERS / "projection"),
    }
    for name, encoder in encoders.items():
        iconic, names = encoder.encode(shop.photos), list(shop.asked)
        seen = dict(zip(names, encoder.encode([shop.asked[photo] for photo in names]), strict=True))
        questions = np.stack([seen[photo] for photo in asked])
        for count in FURTHER:
            stacks = [
                np.stack([iconic[place], *(seen[photo] for photo in further.get(product, [])[:count])])
                for place, product in enumerate(shop.ids)
            ]
            means = np.stack([stack.mean(axis=0) / np.linalg.norm(stack.mean(axis=0)) for stack in stacks])
            ways = {"mean": questions @ means.T}
            if count:
                ways["best"] = np.stack([(questions @ stack.T).max(axis=1) for stack in stacks], axis=1)
            rows += [
                [name, str(1 + count), way, *(cell(ranks(near, right) <= k) for k in (1, 5))]
                for way, near in ways.items()
            ]
    header = ("encoder", "photos a product, at most", "of several", "Recall@1 [95 %]", "Recall@5 [95 %]")
    notes = f"{len(asked)} questions, human truth; the further photos are from shops, as the questions are."
    publish("several", "Several photos a product, grocery", [table(header, rows)], notes=notes)


if __name__ == "__main__":
    main()
