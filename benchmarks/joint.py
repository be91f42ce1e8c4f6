"""One vector or two? Text and photo of a product as two fields, or as one joint vector, on fashion.

Joint vectors are made of what the two fields hold, and of the category by itself: their mean, one layer over all three
side by side, or attention that pools them. The latter two are trained on the catalogue's captions as a photo tower is:
the same draws of captions, hard negatives and loss. Exact cosines over all products; weights and shares are chosen on
the other half of the questions.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from benchmarks.aligned import Shop, saturated
from benchmarks.common import FASHION, SEED, cell, chosen_elsewhere, loaded, ndcg, publish, server, table
from esmm.align.captions import Captioner, caption_fields, parts_of
from esmm.align.corpus import Corpus
from esmm.align.losses import LOSSES, Comparison
from esmm.align.pairs import Pairs
from esmm.align.settings import Settings
from esmm.encoders import Encoder
from esmm.recipe import Recipe

SHARES, WEIGHTS = (0.2, 0.4, 0.6, 0.8), (0.0, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2)
EPOCHS, RATE, SCALE = 12, 1e-3, 20.0
TOP = 50
Matrix = np.ndarray


class Side(nn.Module):
    """One layer over the parts side by side, which begins as their mean."""

    def __init__(self, parts: int, dims: int) -> None:
        super().__init__()
        self.layer = nn.Linear(parts * dims, dims)
        with torch.no_grad():
            self.layer.weight.copy_(torch.eye(dims).repeat(1, parts) / parts)
            self.layer.bias.zero_()

    def forward(self, parts: torch.Tensor) -> torch.Tensor:
        """Return unit rows, (n, dims), of parts (n, parts, dims)."""
        return nn.functional.normalize(self.layer(parts.flatten(1)), dim=1)


class Pooled(nn.Module):
    """Attention over the parts by a learned question, which begins as their mean (Ilse et al. 2018)."""

    def __init__(self, parts: int, dims: int) -> None:
        super().__init__()
        self.kind = nn.Parameter(torch.zeros(parts, dims))
        self.look = nn.Sequential(nn.Linear(dims, 64), nn.Tanh(), nn.Linear(64, 1))

    def forward(self, parts: torch.Tensor) -> torch.Tensor:
        """Return unit rows, (n, dims), of parts (n, parts, dims)."""
        weights = self.look(parts + self.kind).softmax(dim=1)
        return nn.functional.normalize((weights * parts).sum(dim=1), dim=1)


def trained(model: nn.Module, parts: torch.Tensor, corpus: Corpus, settings: Settings) -> Matrix:
    """Train a way to join the parts, and return the joint vectors of all products."""
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=settings.weight_decay)
    for _ in range(EPOCHS):
        for batch in corpus.batches(settings, rng):
            columns = np.concatenate([batch.captions, corpus.bank(rng)])
            unknown = corpus.vocabulary.compatible(batch.captions, columns)
            made = model(parts[batch.pairs])
            loss = LOSSES["infonce"](Comparison(made, corpus.vectors[columns], unknown, torch.tensor(SCALE)))
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    with torch.inference_mode():
        return np.asarray(model(parts))


def joined(shop: Shop, recipe: Recipe, text: Encoder, parts: torch.Tensor) -> dict[str, Matrix]:
    """Return the joint vectors of all products, by how they are made."""
    settings, names = Settings(seed=SEED), caption_fields(recipe)
    products = [parts_of(record, names) for record in shop.records]
    captioner = Captioner(products)
    captions = [captioner.captions(product) for product in products]
    corpus = Corpus(Pairs(np.zeros((0, 1, 1, 4), np.uint8), captions, [0] * len(captions)), text, settings)
    mean = nn.functional.normalize(parts[:, [0, 2]].mean(dim=1), dim=1)
    return {
        "one field: mean": mean.numpy(),
        "one field: a layer over all": trained(Side(parts.shape[1], parts.shape[2]), parts, corpus, settings),
        "one field: attention": trained(Pooled(parts.shape[1], parts.shape[2]), parts, corpus, settings),
    }


def runs(scores: Matrix, shop: Shop, queries: Sequence[str]) -> dict[str, list[str]]:
    """Return the best products of each query."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]
    return {query: [shop.ids[place] for place in row] for query, row in zip(queries, best, strict=True)}


def main() -> None:
    """Measure and publish."""
    cluster, shop = server(), Shop(FASHION)
    recipe, encoders = loaded(FASHION, cluster)
    text, photo = encoders["text"], encoders["image"]
    gains = FASHION.judged()
    queries = list(gains)
    asked, seen = text.encode(queries), photo.encode(list(shop.asked.values()))
    passages = text.encode([record.passages[0][1] for record in shop.records])
    categories = text.encode([str(record.fields["category"]) for record in shop.records])
    photos = photo.encode(shop.photos)
    joint = joined(shop, recipe, text, torch.from_numpy(np.stack([passages, categories, photos], axis=1)))
    keyword = saturated(cluster, recipe, shop, queries)

    def measured(scores: Matrix) -> Matrix:
        return ndcg(runs(scores, shop, queries), gains)

    def alike_by(scores: Matrix) -> Matrix:
        return ndcg(runs(scores, shop, list(shop.asked)), shop.gains)

    words, looks = asked @ passages.T, asked @ photos.T
    alone = chosen_elsewhere({(share,): measured((1 - share) * words + share * looks) for share in SHARES})
    pairs = itertools.product(WEIGHTS, WEIGHTS)
    beside = chosen_elsewhere({(w, p): measured(keyword + w * words + p * looks) for w, p in pairs})
    told, shown = seen @ passages.T, seen @ photos.T
    alike = chosen_elsewhere({(share,): alike_by((1 - share) * told + share * shown) for share in SHARES})
    rows = [["two fields", cell(alone), cell(beside), cell(alike)]]
    for name, vectors in joint.items():
        near = asked @ vectors.T
        own = chosen_elsewhere({(weight,): measured(keyword + weight * near) for weight in WEIGHTS})
        values = ((measured(near), alone), (own, beside), (alike_by(seen @ vectors.T), alike))
        rows.append([name, *(f"{cell(value)}; {cell(value - base, '+')}" for value, base in values)])
    header = ("nDCG@10 [95 %]; paired difference", "words, vectors alone", "words, with the keyword", "photos")
    notes = (
        f"150 text and 150 photo queries, judged by attributes: weak labels. Seed {SEED}. A joint vector is trained on "
        "captions that its own text part contains, which is the best that a catalogue without queries offers."
    )
    publish("joint", "One vector a product or two, fashion", [table(header, rows)], notes=notes)


if __name__ == "__main__":
    main()
