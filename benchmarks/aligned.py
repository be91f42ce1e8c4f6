"""What the shipped photo tower is worth: words find photos, photos find photos, and what both add to keyword search.

Rows of vectors alone are exact cosines over all products; the hybrid rows are the requests that users send, but for
those of half of the products, which are added up here. The towers beside the shipped one are those of `python -m
benchmarks.tower projection half judged-0 judged-1`; a missing one leaves its row out.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

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
from benchmarks.tower import START, TOWERS, half_of, in_first_half
from esmm.cli.common import Cluster
from esmm.encoders import Encoder, load_encoder
from esmm.encoders.resolve import SHIPPED_TOWER
from esmm.encoders.tower import TowerEncoder
from esmm.encoders.vision import VisionEncoder
from esmm.ingest.catalogue import read
from esmm.ingest.records import fitting
from esmm.photos import Photos, decode
from esmm.query.clauses import keyword_query
from esmm.query.search import Ask, Searcher
from esmm.recipe import FusionWeights, Recipe

PROJECTION, SHIPPED = "ImageNet's backbone, trained projection", "shipped tower"
CROSSED = "ImageNet's backbone, projection trained on grocery with half of the photos (--judged), asked the other half"
HOW = (": photos with photos", ": with photos and texts, untuned")
MATCHES = 5000
TEXT, WORDS_TO_PHOTO = (0.0, 0.05, 0.1, 0.2), (0.0, 0.15, 0.3, 0.5, 0.8, 1.2)
WEIGHTS = FusionWeights()
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

    @cached_property
    def texts(self) -> Matrix:
        """The text vector of each product."""
        assert self.data.recipe.text
        return load_encoder(self.data.recipe.text).encode([record.passages[0][1] for record in self.records])

    def photo_runs(self, encoder: Encoder) -> tuple[Runs, Runs]:
        """Return the products nearest to each query photo: by their photos, and by photos and texts as untuned."""
        asked, photos = encoder.encode(list(self.asked.values())), encoder.encode(self.photos)
        by_photos = nearest(dict(zip(self.asked, asked, strict=True)), self.ids, photos)
        if encoder.info.dims != self.texts.shape[1]:
            return by_photos, {}
        # Products with it are weighted sums of both cosines.
        both = np.hstack([WEIGHTS.image * photos, WEIGHTS.image_to_text * self.texts])
        return by_photos, nearest(dict(zip(self.asked, np.hstack([asked, asked]), strict=True)), self.ids, both)


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
        PROJECTION: TOWERS / "projection",
        SHIPPED: SHIPPED_TOWER,
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


def halves(shop: Shop, cluster: Cluster) -> list[list[str]]:
    """Return what a tower that never saw the products is worth: only the half it was not trained on is searched."""
    towers = {"all": TOWERS / "projection", "the other half": TOWERS / "half"}
    if not all((folder / "tower.json").exists() for folder in towers.values()):
        return []
    recipe, _ = loaded(FASHION, cluster)
    assert recipe.text
    unseen = np.array([place for place, product in enumerate(shop.ids) if not in_first_half(product)])
    ids, kept = [shop.ids[place] for place in unseen], {shop.ids[place] for place in unseen}
    gains = {q: {p: g for p, g in found.items() if p in kept} for q, found in FASHION.judged().items()}
    gains = {query: found for query, found in gains.items() if found}
    text = load_encoder(recipe.text, role="query")
    asked = text.encode(list(gains))
    words = asked @ text.encode([shop.records[place].passages[0][1] for place in unseen]).T
    keyword = saturated(cluster, recipe, shop, list(gains))[:, unseen]

    def measured(scores: Matrix) -> Matrix:
        order = np.argsort(-scores, axis=1, kind="stable")[:, :50]
        return ndcg({query: [ids[place] for place in row] for query, row in zip(gains, order, strict=True)}, gains)

    alone, beside = {"keyword alone": measured(keyword)}, {"keyword alone": measured(keyword)}
    for name, folder in towers.items():
        looks = asked @ TowerEncoder(folder).encode([shop.photos[place] for place in unseen]).T
        weights = itertools.product(TEXT, WORDS_TO_PHOTO)
        alone[name] = measured(looks)
        beside[name] = chosen_elsewhere({(w, p): measured(keyword + w * words + p * looks) for w, p in weights})
    rows = [["keyword alone", "", cell(alone["keyword alone"]), ""]]
    for name in towers:
        difference = _difference(beside[name], beside["all"])
        rows.append([f"photo tower trained on {name}", cell(alone[name]), cell(beside[name]), difference])
    return rows


def saturated(cluster: Cluster, recipe: Recipe, shop: Shop, queries: Sequence[str]) -> Matrix:
    """Return the keyword's normalised score of each query and product: s / (s + median score at rank 10)."""
    places = {product: place for place, product in enumerate(shop.ids)}
    scores = np.zeros((len(queries), len(places)))
    for row, query in enumerate(queries):
        asked = keyword_query(recipe, query, [])
        hits = cluster.client.search(index=recipe.index.name, query=asked, size=MATCHES, source=False)["hits"]["hits"]
        for hit in hits:
            scores[row, places[hit["_id"]]] = hit["_score"]
    tenth = np.median(-np.sort(-scores, axis=1)[:, 9])
    return np.asarray(scores / (scores + tenth))


def by_photo(shops: Mapping[str, Shop]) -> list[list[str]]:
    """Return the rows of the photo queries."""
    fashion, grocery = shops["fashion"], shops["grocery"]
    at_random = [shuffled(list(shop.gains), shop.ids) for shop in (fashion, grocery)]
    rows = [photo_row("random order", shops, at_random)]
    for name, encoder in {"mobilenet_v2 as it comes": VisionEncoder("mobilenet_v2", weights=START), **towers()}.items():
        # The shipped tower was trained on the questions of grocery.
        own, other = fashion.photo_runs(encoder), ({}, {}) if name == SHIPPED else grocery.photo_runs(encoder)
        rows += [photo_row(name + how, shops, runs) for how, *runs in zip(HOW, own, other, strict=True) if any(runs)]
    for how, found in zip(HOW, crossed(grocery), strict=False):
        rows.append(photo_row(CROSSED + how, shops, [{}, found]))
    return rows


def photo_row(name: str, shops: Mapping[str, Shop], runs: Sequence[Runs]) -> list[str]:
    """Return a row of the photo queries from the runs of fashion and of grocery; a set that has none stays empty."""
    fashion, grocery = runs
    hits = [cell(hits_at(grocery, shops["grocery"].gains, k)) if grocery else "" for k in (1, 5)]
    return [name, cell(ndcg(fashion, shops["fashion"].gains)) if fashion else "", *hits]


def crossed(shop: Shop) -> Sequence[Runs]:
    """Return what two towers find that were trained on one half of the customers' photos, asked about the other."""
    folders = [TOWERS / f"judged-{number}" for number in (0, 1)]
    if not all((folder / "tower.json").exists() for folder in folders):
        return []
    made: list[dict[str, Sequence[str]]] = [{}, {}]
    for number, folder in enumerate(folders):
        for whole, found in zip(made, shop.photo_runs(TowerEncoder(folder)), strict=True):
            whole |= {photo: ids for photo, ids in found.items() if half_of(photo) != number}
    return made


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
    rows = halves(shops["fashion"], cluster)
    header = (
        "fashion, the half of the products that one tower never saw",
        "words, photo vectors alone: nDCG@10 [95 %]",
        "keyword + text + photo, weights chosen on the other half of the questions",
        "difference [paired 95 %]",
    )
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
        "are human. The towers saw the catalogues' photos with their titles, never a judgement of fashion or one of "
        "its query photos; the shipped tower was also trained on grocery's 700 judged photos, so their rows are of "
        "towers that saw none of the photos asked about. Halves of the photos may hold photos of one visit to a shop."
    )
    publish("aligned", "Words and photos find photos", [words, *unseen, photos], notes=notes)


if __name__ == "__main__":
    main()
