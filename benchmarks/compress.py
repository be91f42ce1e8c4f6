"""What ``esmm compress`` saves and costs: size, items a second, cosines, nDCG@10, and fewer dims by principal axes.

Relevance is that of text vectors (or photo vectors) alone, by exact cosine over all products. Rates of torch and of
ONNX Runtime are taken in turn, so that a machine that slows down slows both.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common import DATA, ESCI, FASHION, DataSet, Judgements, interval, ndcg, publish, table
from esmm.compress import compress, folders_of
from esmm.encoders import Encoder, load_encoder
from esmm.encoders.onnx import load_onnx, read_config
from esmm.ingest.catalogue import read
from esmm.ingest.records import Record, fitting
from esmm.ingest.vectors import VectorCache, content_key
from esmm.paths import vector_cache_path
from esmm.photos import Photos, decode
from esmm.recipe import Recipe

PRODUCTS = sys.maxsize  # of each catalogue; fewer for a try
TITLES, PHOTOS, ROUNDS = 2000, 192, 5
THREADS = (1, 2)
DIMS = (384, 256, 192, 128, 64)
NDCG = "nDCG@10 [95 %]"
Vectors = np.ndarray[tuple[int, int], np.dtype[np.float32]]


@cache
def records(data: DataSet) -> list[Record]:
    """Return the products of a data set."""
    return list(islice(fitting(read(data.catalogue), data.recipe), PRODUCTS))


@cache
def photos(data: DataSet, count: int = sys.maxsize) -> list[Any]:
    """Return the decoded photo of each of the first products."""
    recipe = data.recipe
    with Photos(recipe.image.photo_places if recipe.image else []) as found:
        return [decode(found.read(record.photos[0])) for record in records(data)[:count] if record.photos]


@cache
def compressed(data: DataSet, clause: str, *, turned: bool = False) -> Path:
    """Return the folder of the compressed encoder of a clause; turned by this very catalogue or as it is."""
    recipe, out = data.recipe, Path(tempfile.mkdtemp(prefix="esmm-compress-"))
    folders = folders_of(recipe, out, only=clause)
    compress(recipe, folders, pca=str(data.catalogue) if turned else None)
    return folders[clause]


def original(recipe: Recipe, clause: str) -> Encoder:
    """Return the encoder as torch runs it."""
    return load_encoder(recipe.vectors()[clause], device="cpu")


def encoded(encoder: Encoder, items: Sequence[Any]) -> Vectors:
    """Return the vectors of items; torch's are kept between runs."""
    keys = [content_key(item if isinstance(item, str) else item.tobytes()) for item in items]
    with VectorCache(vector_cache_path()) as known:
        found = known.get(encoder.info, keys)
        missing = {key: item for key, item in zip(keys, items, strict=True) if key not in found}
        for start in range(0, len(missing), 1024):
            part = dict(islice(missing.items(), start, start + 1024))
            made = dict(zip(part, encoder.encode(list(part.values())), strict=True))
            known.put(encoder.info, made)
            found |= made
    return np.stack([found[key] for key in keys])


def queries(data: DataSet) -> tuple[list[str], Judgements]:
    """Return the text queries with their judgements."""
    gains = data.judged("judgements.tsv")
    return list(gains), gains


def relevance(data: DataSet, encoder: Encoder, *, dims: int | None = None) -> np.ndarray:
    """Return nDCG@10 for each query, by the cosine of the first ``dims`` numbers of text vectors."""
    texts, gains = queries(data)
    held = [record for record in records(data) if record.passages]
    passages, asked = encoded(encoder, [record.passages[0][1] for record in held]), encoded(encoder, texts)
    return _ndcg(asked[:, :dims], passages[:, :dims], [record.id for record in held], gains)


def photo_relevance(encoder: Encoder) -> np.ndarray:
    """Return nDCG@10 of each photo query of fashion, by the cosine of photo vectors."""
    gains = FASHION.judged("photo_judgements.tsv")
    with Photos([DATA / "fashion" / "query_photos.zip"]) as found:
        asked = encoded(encoder, [decode(found.read(name)) for name in gains])
    held = [record.id for record in records(FASHION) if record.photos]
    return _ndcg(asked, encoded(encoder, photos(FASHION)), held, gains)


def _ndcg(asked: Vectors, known: Vectors, ids: Sequence[str], gains: Judgements) -> np.ndarray:
    known = known / np.linalg.norm(known, axis=1, keepdims=True)
    best = np.argsort(-(asked @ known.T), axis=1, kind="stable")[:, :10]
    return ndcg({query: [ids[place] for place in row] for query, row in zip(gains, best, strict=True)}, gains)


def changes() -> Iterator[list[str]]:
    """Yield a row for each data set: nDCG@10 by torch, by the compressed encoder, and the paired difference."""
    for data in (FASHION, ESCI):
        found = [relevance(data, encoder) for encoder in _pair(data, "text")]
        yield [f"{data.name}, {len(found[0])} text queries, text vectors", *_compared(*found)]
    found = [photo_relevance(encoder) for encoder in _pair(FASHION, "image")]
    yield [f"fashion, {len(found[0])} photo queries, photo vectors", *_compared(*found)]


def axes() -> Iterator[list[str]]:
    """Yield a row for each number of dims: a vector's bytes, and by set what nDCG@10 changes turned, and not."""
    wholes = {data: relevance(data, original(data.recipe, "text")) for data in (FASHION, ESCI)}
    for dims in DIMS:
        row = [str(dims), f"{4 * dims:,} / {dims:,}"]
        for data, whole in wholes.items():
            ways = [load_onnx(compressed(data, "text", turned=turned)) for turned in (True, False)]
            row += [_compared(whole, relevance(data, encoder, dims=dims))[2] for encoder in ways]
        yield row


def rates() -> Iterator[list[str]]:
    """Yield a row for each encoder and number of threads: items a second by torch and by ONNX Runtime."""
    sets: dict[str, Callable[[], list[Any]]] = {
        "text": lambda: [str(record.fields["title"]) for record in records(FASHION)[:TITLES]],
        "image": lambda: photos(FASHION, PHOTOS),
    }
    names = {"text": f"{TITLES:,} titles of fashion", "image": f"{PHOTOS} photos of fashion"}
    for clause, items in sets.items():
        for threads in THREADS:
            torch.set_num_threads(threads)
            os.environ["OMP_NUM_THREADS"] = str(threads)
            pairs = _rounds(_pair(FASHION, clause), items())
            yield [names[clause], str(threads), *_rate(pairs)]


def _rounds(encoders: Sequence[Encoder], items: Sequence[Any]) -> list[list[float]]:
    """Return items a second of both encoders in each round, after a short one to warm up."""
    for encoder in encoders:
        encoder.encode(items[:32])
    rounds = []
    for _ in range(ROUNDS):
        pair = []
        for encoder in encoders:
            begun = time.perf_counter()
            encoder.encode(items)
            pair.append(len(items) / (time.perf_counter() - begun))
        rounds.append(pair)
        print(rounds[-1], file=sys.stderr)
    return rounds


def _rate(pairs: Sequence[Sequence[float]]) -> list[str]:
    ratios = sorted(after / before for before, after in pairs)
    before, after = (float(np.median([pair[side] for pair in pairs])) for side in (0, 1))
    return [f"{before:,.0f}", f"{after:,.0f}", f"{ratios[len(ratios) // 2]:.2f} [{ratios[0]:.2f}, {ratios[-1]:.2f}]"]


def sizes() -> Iterator[list[str]]:
    """Yield a row for each encoder: what is int8, megabytes before and after, cosines."""
    for clause in ("text", "image"):
        folder = compressed(FASHION, clause)
        config = read_config(folder)
        after = sum(file.stat().st_size for file in folder.iterdir())
        cosines = f"{config.cosine_mean:.4f} / {config.cosine_worst:.4f}"
        yield [config.made_from, config.quantised, f"{config.bytes_before / 1e6:.1f}", f"{after / 1e6:.1f}", cosines]


def _pair(data: DataSet, clause: str) -> tuple[Encoder, Encoder]:
    return original(data.recipe, clause), load_onnx(compressed(data, clause))


def _compared(before: np.ndarray, after: np.ndarray) -> list[str]:
    difference = after - before
    cells = [
        f"{values.mean():.3f} [{low:.3f}, {high:.3f}]" for values in (before, after) for low, high in [interval(values)]
    ]
    low, high = interval(difference)
    return [*cells, f"{difference.mean():+.3f} [{low:+.3f}, {high:+.3f}]"]


def tables() -> list[str]:
    """Measure everything."""
    paired = "difference [paired 95 %]"
    sets = [f"{data.name}, {way}" for data in (FASHION, ESCI) for way in ("principal axes", "cut as they are")]
    return [
        table(("encoder", "int8", "MB in torch", "MB after", "cosine: mean / worst"), list(sizes())),
        table(
            ("items", "threads", "torch, a second", "compressed", f"ratio: median [least, most] of {ROUNDS}"),
            list(rates()),
        ),
        table(("set", f"torch, {NDCG}", f"compressed, {NDCG}", paired), list(changes())),
        table(("dims", "bytes of a vector: float32 / int8", *sets), list(axes())),
    ]


def main() -> None:
    """Measure and publish."""
    publish(
        "compress",
        "Encoders compressed to int8, and vectors of fewer dims",
        tables(),
        notes=(
            "Vectors alone, by exact cosine. Last table: change of nDCG@10 by compressed text encoders of fewer dims "
            "against torch's with all [paired 95 %]; the axes are those of the catalogue's own vectors. The judgements "
            "of fashion are made from attributes (weak labels), those of esci are human."
        ),
    )


if __name__ == "__main__":
    main()
