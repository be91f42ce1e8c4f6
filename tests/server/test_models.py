"""Models for texts and photos, from a folder to hits: their classes are the real ones, their weights random."""

from collections.abc import Sequence
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shop
import tiny_models
from elasticsearch import Elasticsearch
from PIL import Image
from sentence_transformers import SentenceTransformer

from esmm.cluster import Capabilities
from esmm.encoders import load_encoders
from esmm.errors import EncoderError
from esmm.index_meta import meta_of
from esmm.ingest.job import Job, Server, Source
from esmm.ingest.load import load
from esmm.ingest.vectors import VectorCache
from esmm.query.search import Answer, Ask, Searcher
from esmm.recipe import Recipe, parse

COUNT = 12
MODELS = '[text]\nmodel = "digest-32"\n[image]\nmodel = "digest-16"\n'


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.clip(tmp_path_factory.mktemp("models") / "clip")


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.twin(tmp_path_factory.mktemp("models"))


class Shop:
    """Twelve products with photos, loaded by recipes that differ in their models."""

    def __init__(self, folder: Path, server: Server, recipe_text: str) -> None:
        self._folder, self._server, self._text = folder, server, recipe_text
        shop.write_photos(folder, COUNT)
        self._source = Source(str(shop.write(folder / "catalog.jsonl", shop.products(COUNT))))

    def recipe(self, text: str, image: str) -> Recipe:
        assert MODELS in self._text
        return parse(self._text.replace(MODELS, f"[text]\n{text}\n[image]\n{image}\n"), source="shop.toml")

    def loaded(self, recipe: Recipe) -> Searcher:
        encoders, faults = load_encoders(recipe, device="cpu")
        assert not faults
        with VectorCache(self._folder / "vectors.sqlite") as cache:
            load(Job(self._source, recipe, self._server, encoders, cache))
        return self.searcher(recipe)

    def searcher(self, recipe: Recipe) -> Searcher:
        return Searcher(self._server.client, recipe, self._server.can, device="cpu")


@pytest.fixture
def made(client: Elasticsearch, can: Capabilities, recipe_text: str, tmp_path: Path) -> Shop:
    return Shop(tmp_path, Server(client, can), recipe_text)


def cosines(
    model: Path, question: Any, products: Sequence[Any], *, products_by: Path | None = None
) -> dict[str, float]:
    """Return what sentence-transformers itself finds between a question and each product; below 0 it counts 0."""
    asked, known = (SentenceTransformer(str(folder), device="cpu") for folder in (model, products_by or model))
    one = asked.encode([question], normalize_embeddings=True, show_progress_bar=False)
    many = known.encode(list(products), normalize_embeddings=True, show_progress_bar=False)
    return {f"p{number}": max(float(cosine), 0) for number, cosine in enumerate((many @ one.T)[:, 0])}


def raw(answer: Answer, clause: str) -> dict[str, float]:
    return {hit.id: part.raw for hit in answer.hits for part in hit.parts if part.clause == clause}


PHOTOS = [shop.photo(number) for number in range(COUNT)]
TITLES = [product["title"] for product in shop.products(COUNT)]
QUESTION = "a green lamp"


def test_a_clip_model_for_words_and_photos(painless: None, made: Shop, clip: Path) -> None:
    searcher = made.loaded(made.recipe(f'model = "{clip}"', f'model = "{clip}"\nquery_prefix = "a photo of "'))
    by_words = searcher.search(Ask(QUESTION, size=COUNT))
    expected = cosines(clip, f"a photo of {QUESTION}", PHOTOS)
    assert raw(by_words, "text_to_image") == pytest.approx(expected, abs=1e-4)
    assert max(expected.values()) > 0.1
    assert not raw(by_words, "image")
    by_photo = searcher.search(Ask(photo=PHOTOS[7], size=COUNT))
    assert raw(by_photo, "image") == pytest.approx(cosines(clip, PHOTOS[7], PHOTOS), abs=1e-4)
    assert max(raw(by_photo, "image").items(), key=itemgetter(1))[0] == "p7"
    expected = cosines(clip, PHOTOS[7], TITLES)
    assert raw(by_photo, "image_to_text") == pytest.approx(expected, abs=1e-4)
    assert {part.clause for hit in by_photo.hits for part in hit.parts} == {"image", "image_to_text"}


def test_a_multilingual_twin_reads_the_words_for_photos(painless: None, made: Shop, clip: Path, twin: Path) -> None:
    one_space = 'space = "clip"'
    searcher = made.loaded(made.recipe(f'model = "{twin}"\n{one_space}', f'model = "{clip}"\n{one_space}'))
    answer = searcher.search(Ask("rot schuh", size=COUNT))
    expected = cosines(twin, "rot schuh", PHOTOS, products_by=clip)
    assert raw(answer, "text_to_image") == pytest.approx(expected, abs=1e-4)
    photo = Image.new("RGB", (24, 24), "red")
    assert raw(searcher.search(Ask(photo=photo, size=COUNT)), "image") == pytest.approx(
        cosines(clip, photo, PHOTOS), abs=1e-4
    )


def test_prefixes_and_dims_are_kept_in_the_index(
    painless: None, made: Shop, client: Elasticsearch, alias: str, twin: Path
) -> None:
    settings = f'model = "{twin}"\nquery_prefix = "query: "\npassage_prefix = "passage: "\ndims = 8'
    image = 'model = "digest-16"\ndims = 12'
    recipe = made.recipe(settings, image)
    searcher = made.loaded(recipe)
    mapping = next(iter(client.indices.get_mapping(index=alias).values()))["mappings"]["properties"]
    assert [mapping[f"{clause}_vector"]["dims"] for clause in ("text", "image")] == [8, 12]
    noted = meta_of(client, alias)["clauses"]["text"]["encoder"]
    assert (noted["query_prefix"], noted["passage_prefix"], noted["dims"]) == ("query: ", "passage: ", 8)

    model = SentenceTransformer(str(twin), device="cpu")
    texts = [f"passage: {product['title']}" for product in shop.products(COUNT)]
    cut = model.encode([f"query: {QUESTION}", *texts], show_progress_bar=False)[:, :8]
    cut /= np.linalg.norm(cut, axis=1, keepdims=True)
    expected = {f"p{number}": max(float(cosine), 0) for number, cosine in enumerate(cut[1:] @ cut[0])}
    assert raw(searcher.search(Ask(QUESTION, size=COUNT)), "text") == pytest.approx(expected, abs=1e-4)

    for old, new, named in (
        ('query_prefix = "query: "', "", "query_prefix ('query: ', '')"),
        ('"passage: "', '"text: "', "passage_prefix ('passage: ', 'text: ')"),
        ("dims = 8", "dims = 6", "dims (8, 6)"),
        ("dims = 8", 'dims = 8\nspace = "clip"', f"space ('{noted['space']}', 'clip')"),
    ):
        other = made.searcher(made.recipe(settings.replace(old, new), image))
        with pytest.raises(EncoderError) as caught:
            other.search(Ask(QUESTION))
        assert caught.value.message.endswith(f"they differ in {named}")


def test_an_index_from_before_prefixes_is_still_searched(
    painless: None, made: Shop, client: Elasticsearch, alias: str
) -> None:
    recipe = made.recipe('model = "digest-32"', 'model = "digest-16"')
    expected = made.loaded(recipe).search(Ask(QUESTION))
    meta = meta_of(client, alias)
    for clause in meta["clauses"].values():
        del clause["encoder"]["query_prefix"], clause["encoder"]["passage_prefix"]
    client.indices.put_mapping(index=alias, meta={"esmm": meta})
    found = made.searcher(recipe).search(Ask(QUESTION))
    assert replace(found, took=0) == replace(expected, took=0)
