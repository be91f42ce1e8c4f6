"""What the shipped photo tower is worth: words find photos, photos find photos, and what both add to keyword search.

Rows of vectors alone are exact cosines over all products; the hybrid rows are the requests that users send. The towers
beside the shipped one are those of `python -m benchmarks.tower projection half`; a missing one leaves its row out.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.common import (
    DATA,
    FASHION,
    GROCERY,
    SEED,
    DataSet,
    Setting,
    best_by_half,
    cell,
    chosen_elsewhere,
    loaded,
    ndcg,
    publish,
    server,
    table,
)
from benchmarks.relevance import keyword
from benchmarks.tower import START, TOWERS, in_first_half
from esmm.cli.common import Cluster
from esmm.encoders import Encoder, load_encoder
from esmm.encoders.resolve import SHIPPED_TOWER
from esmm.encoders.tower import TowerEncoder
from esmm.encoders.vision import VisionEncoder
from esmm.ingest.catalogue import read
from esmm.ingest.records import fitting
from esmm.photos import Photos, decode
from esmm.query.search import Ask, Searcher

TEXT, WORDS_TO_PHOTO = (0.0, 0.05, 0.1, 0.2), (0.0, 0.15, 0.3, 0.5, 0.8, 1.2)
Matrix = np.ndarray
Runs = Mapping[str, Sequence[str]]


@dataclass
class Shop:
    """The products of a data set with a photo, and its query photos, decoded."""

    data: DataSet

    def __post_init__(self) -> None:
        recipe = self.data.recipe
        self.records = list(fitting(read(self.data.catalogue), recipe))
        self.ids = [record.id for record in self.records]
        with Photos(recipe.image.photo_places if recipe.image else []) as photos:
            self.photos = [decode(photos.read(record.photos[0])) for record in self.records]
        self.gains = self.data.judged("photo_judgements.tsv")
        with Photos([DATA / self.data.name / "query_photos.zip"]) as photos:
            self.asked = {name: decode(photos.read(name)) for name in self.gains}

    def photo_runs(self, encoder: Encoder) -> Runs:
        """Return the products nearest to each query photo."""
        return nearest(
            dict(zip(self.asked, encoder.encode(list(self.asked.values())), strict=True)),
            self.ids,
            encoder.encode(self.photos),
        )


def nearest(queries: Mapping[str, Matrix], ids: Sequence[str], products: Matrix, *, depth: int = 50) -> Runs:
    """Return the products with the highest cosine to each query."""
    return {
        name: [ids[place] for place in np.argsort(-(products @ query), kind="stable")[:depth]]
        for name, query in queries.items()
    }


def shuffled(queries: Sequence[str], ids: Sequence[str]) -> Runs:
    """Return products in random order: what no knowledge at all is worth."""
    rng = np.random.default_rng(SEED)
    return {query: [ids[place] for place in rng.permutation(len(ids))[:50]] for query in queries}


def towers() -> dict[str, Encoder]:
    """Return the photo encoders to compare, by what they are called in the table."""
    named = {
        "untrained backbone, trained projection": TOWERS / "projection",
        "shipped tower": SHIPPED_TOWER,
    }
    return {name: TowerEncoder(folder) for name, folder in named.items() if (folder / "tower.json").exists()}


def by_words(shop: Shop, cluster: Cluster) -> list[list[str]]:
    """Return the rows of the text queries."""
    recipe, _ = loaded(FASHION, cluster)
    assert recipe.text
    gains = FASHION.judged()
    text = load_encoder(recipe.text, role="query")
    asked = dict(zip(gains, text.encode(list(gains)), strict=True))
    passages = text.encode([record.passages[0][1] for record in shop.records])
    strongest = keyword(cluster.client, recipe, "combined_fields")
    values = {
        "random order": shuffled(list(gains), shop.ids),
        "keyword alone": {query: strongest(query) for query in gains},
        "text vectors alone": nearest(asked, shop.ids, passages),
    }
    for name, tower in towers().items():
        values[f"photo vectors alone: {name}"] = nearest(asked, shop.ids, tower.encode(shop.photos))
    measured = {name: ndcg(run, gains) for name, run in values.items()}
    measured |= hybrid(cluster, gains)
    return [[name, cell(value), _difference(value, measured["keyword alone"])] for name, value in measured.items()]


def hybrid(cluster: Cluster, gains: dict[str, dict[str, float]]) -> dict[str, np.ndarray]:
    """Return keyword with text and photo vectors: untuned, and with weights chosen on the other half of the queries."""
    recipe, _ = loaded(FASHION, cluster)
    searcher = Searcher(cluster.client, recipe, cluster.can)
    untuned, values = searcher.fusion, dict[Setting, np.ndarray]()

    def measure(text: float, photo: float) -> np.ndarray:
        weights = {**untuned.weights, "text": text, "text_to_image": photo}
        searcher.fusion = replace(untuned, weights=weights)
        return ndcg({q: [hit.id for hit in searcher.search(Ask(q, size=50)).hits] for q in gains}, gains)

    for pair in itertools.product(TEXT, WORDS_TO_PHOTO):
        values[pair] = measure(*pair)
    chosen, _ = best_by_half(values)
    weights = untuned.weights
    return {
        f"keyword + text ({weights['text']}) + photo ({weights['text_to_image']}), untuned": measure(
            weights["text"], weights["text_to_image"]
        ),
        f"keyword + text + photo, weights chosen on the other half {chosen[False]}, {chosen[True]}": chosen_elsewhere(
            values
        ),
    }


def halves(shop: Shop) -> list[list[str]]:
    """Return what a tower that never saw the products is worth: only the half it was not trained on is searched."""
    folder = TOWERS / "half"
    if not (folder / "tower.json").exists():
        return []
    recipe = FASHION.recipe
    assert recipe.text
    unseen = [place for place, product in enumerate(shop.ids) if not in_first_half(product)]
    ids, photos = [shop.ids[place] for place in unseen], [shop.photos[place] for place in unseen]
    kept = set(ids)
    gains = {q: {p: g for p, g in found.items() if p in kept} for q, found in FASHION.judged().items()}
    gains = {query: found for query, found in gains.items() if found}
    asked = dict(zip(gains, load_encoder(recipe.text, role="query").encode(list(gains)), strict=True))
    found = {}
    for name, place in (("trained on all products", SHIPPED_TOWER), ("trained on the other half", folder)):
        found[name] = ndcg(nearest(asked, ids, TowerEncoder(place).encode(photos)), gains)
    base = found["trained on all products"]
    return [[name, cell(value), _difference(value, base)] for name, value in found.items()]


def by_photo(shops: Mapping[str, Shop]) -> list[list[str]]:
    """Return the rows of the photo queries."""
    encoders = {"mobilenet_v2 as it comes": VisionEncoder("mobilenet_v2", weights=START), **towers()}
    rows = []
    for name in ("random order", *encoders):
        cells = [name]
        for shop in shops.values():
            runs = shop.photo_runs(encoders[name]) if name in encoders else shuffled(list(shop.gains), shop.ids)
            if shop.data is FASHION:
                cells.append(cell(ndcg(runs, shop.gains)))
            else:
                cells += [cell(hits_at(runs, shop.gains, k)) for k in (1, 5)]
        rows.append(cells)
    return rows


def hits_at(found: Runs, gains: Mapping[str, Mapping[str, float]], k: int) -> np.ndarray:
    """Return for each query whether one of its products is among the first k."""
    return np.array([float(bool(set(found[name][:k]) & set(gains[name]))) for name in gains])


def _difference(values: np.ndarray, base: np.ndarray) -> str:
    if values is base:
        return ""
    return cell(values - base, "+")


def main() -> None:
    """Measure and publish."""
    cluster, shops = server(), {data.name: Shop(data) for data in (FASHION, GROCERY)}
    words = table(
        ("fashion, 150 text queries", "nDCG@10 [95 %]", "difference to keyword alone [paired 95 %]"),
        by_words(shops["fashion"], cluster),
    )
    rows = halves(shops["fashion"])
    header = ("fashion, half of the products, by photos alone", "nDCG@10 [95 %]", "difference [paired 95 %]")
    unseen = [table(header, rows)] if rows else []
    photos = table(
        (
            "photo queries",
            "fashion, 150: nDCG@10 [95 %]",
            "grocery, 700: Recall@1 [95 %]",
            "grocery, 700: Recall@5 [95 %]",
        ),
        by_photo(shops),
    )
    notes = (
        f"Bootstrap over queries, seed {SEED}. The judgements of fashion (words "
        "and photos) are made from attributes that the catalogue leaves out, so they are weak labels; those of grocery "
        "are human. The tower saw the catalogues' photos with their titles, never a query photo or a judgement."
    )
    publish("aligned", "Words and photos find photos", [words, *unseen, photos], notes=notes)


if __name__ == "__main__":
    main()
