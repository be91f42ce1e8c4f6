"""Photos that customers took, as further photos of the products that they show."""

from collections import defaultdict
from collections.abc import Mapping

from esmm.errors import AlignError


def by_product(gains: Mapping[str, Mapping[str, float]], source: str) -> dict[str, tuple[str, ...]]:
    """Return the photos that show each product, by its id, from judged photos: photo, product, gain.

    A photo shows the product with the highest gain. Where several share it, they look alike and none is known to be
    the one: the photo is left out. Raises AlignError if no photo is left.
    """
    shown = defaultdict(list)
    for photo, products in gains.items():
        best = [product for product, gain in products.items() if gain > 0 and gain == max(products.values())]
        if len(best) == 1:
            shown[best[0]].append(photo)
    if not shown:
        raise AlignError(
            f"{source} names no photo with one best product, of {len(gains):,} judged photos",
            "a line is a photo, the id of the product that it shows, and a gain above 0",
        )
    return {product: tuple(photos) for product, photos in shown.items()}
