"""Whether the projection of the shipped tower can lose channels: bytes, cosines, and nDCG@10 of words against photos.

A hidden channel counts by how much it varies over the catalogue's photos, times the length of what it adds to a vector
(as in Molchanov et al. 2017, by activations). What a dropped one adds on average goes into the bias; nothing is trained
again.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks.aligned import Shop, nearest
from benchmarks.common import FASHION, cell, ndcg, publish, table
from esmm.encoders import load_encoder
from esmm.encoders.backbone import normalised
from esmm.encoders.pixels import fitted
from esmm.encoders.resolve import SHIPPED_TOWER
from esmm.encoders.tower import Tower, load_tower

SHARES, BATCH = (1.0, 0.75, 0.5, 0.25), 32


def hidden_of(tower: Tower, photos: Sequence[Any]) -> torch.Tensor:
    """Return what the hidden channels make of photos: (photos, hidden)."""
    rows = []
    for start in range(0, len(photos), BATCH):
        pixels = np.stack([fitted(photo, tower.config.side) for photo in photos[start : start + BATCH]])
        rows.append(tower.hidden(tower.features(normalised(pixels))))
    return torch.cat(rows)


def pruned(tower: Tower, hidden: torch.Tensor, count: int) -> torch.Tensor:
    """Return the vectors of photos by so many hidden channels: unit rows."""
    weight, mean = tower.out.weight, hidden.mean(0)
    kept = (hidden.std(0) * weight.norm(dim=0)).topk(count).indices
    dropped = torch.ones(len(mean), dtype=torch.bool)
    dropped[kept] = False
    bias = tower.out.bias + weight[:, dropped] @ mean[dropped]
    return functional.normalize(hidden[:, kept] @ weight[:, kept].T + bias, dim=1)


def rows_of(shop: Shop) -> Iterator[list[str]]:
    """Yield a row for each share of the channels that is kept."""
    assert shop.data.recipe.text
    gains, tower = shop.data.judged(), load_tower(SHIPPED_TOWER)
    queries = dict(zip(gains, load_encoder(shop.data.recipe.text, role="query").encode(list(gains)), strict=True))
    with torch.inference_mode():
        hidden = hidden_of(tower, shop.photos)
        vectors = {count: pruned(tower, hidden, count) for count in (int(s * hidden.shape[1]) for s in SHARES)}
        values = {count: ndcg(nearest(queries, shop.ids, made.numpy()), gains) for count, made in vectors.items()}
        whole = max(vectors)
        for count, made in vectors.items():
            size = count * (tower.widen.in_features + tower.out.out_features) / 1e6
            cosines = (made * vectors[whole]).sum(1)
            difference = "" if count == whole else cell(values[count] - values[whole], "+")
            yield [str(count), f"{size:.2f}", f"{cosines.mean():.4f}", cell(values[count]), difference]


def main() -> None:
    """Measure and publish."""
    header = (
        "hidden channels",
        "MB of the projection",
        "mean cosine",
        "words, photos alone: nDCG@10 [95 %]",
        "difference",
    )
    notes = (
        "Fashion, 150 text queries, judged by attributes: weak labels. The projection takes about a fiftieth of the "
        "multiplications for a photo, the backbone the others, so fewer channels save bytes and hardly time."
    )
    title = "Fewer channels in the projection of the shipped tower"
    publish("prune", title, [table(header, list(rows_of(Shop(FASHION))))], notes=notes)


if __name__ == "__main__":
    main()
