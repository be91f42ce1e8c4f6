"""Real encoders: the sample's queries, and products found by another photo of them."""

import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch
from PIL import Image

from esmm.cluster import Capabilities
from esmm.encoders import load_encoders
from esmm.ingest.job import Job, Server, Source
from esmm.ingest.load import load
from esmm.ingest.vectors import VectorCache
from esmm.photos import decode
from esmm.query.search import Ask, Searcher
from esmm.recipe import Recipe, parse

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("ESMM_BENCH_DATA") or ROOT.parent / "shared" / "data")
GROCERY = DATA / "grocery"


def _load(recipe: Recipe, source: Source, server: Server, cache: Path) -> Searcher:
    encoders, faults = load_encoders(recipe, device="cpu")
    assert not faults
    with VectorCache(cache) as vectors:
        assert load(Job(source, recipe, server, encoders, vectors)).rejected == 0
    return Searcher(server.client, recipe, server.can, device="cpu")


@pytest.fixture
def server(client: Elasticsearch, can: Capabilities) -> Server:
    return Server(client, can)


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Path]:
    """The sample's catalogue; lists of faults go beside it."""
    place = tmp_path / "products.jsonl"
    place.write_bytes((ROOT / "ingest" / "sample" / "products.jsonl").read_bytes())
    return place


def _sample(alias: str, analyzer: str) -> Recipe:
    text = (ROOT / "ingest" / "sample" / "esmm.toml").read_text(encoding="utf-8").replace("esmm-sample", alias)
    return parse(text.replace("[index]", f'[index]\nanalyzer = "{analyzer}"'), source="sample")


def _queries(kind: str) -> list[tuple[str, set[str]]]:
    found = json.loads((ROOT / "ingest" / "sample" / "queries.json").read_text(encoding="utf-8"))[kind]
    return [(query["query"], set(query["products"])) for query in found]


def _top(searcher: Searcher, query: str, *, keyword_only: bool) -> set[str]:
    return {hit.id for hit in searcher.search(Ask(query, size=3), keyword_only=keyword_only).hits}


def test_sample_queries_are_answered_by_meaning(
    server: Server, alias: str, analyzer: str, catalogue: Path, tmp_path: Path
) -> None:
    """Queries that share no word with their product: by words alone not in the top three, with vectors they are."""
    recipe = _sample(alias, analyzer).model_copy(update={"image": None})
    searcher = _load(recipe, Source(str(catalogue)), server, tmp_path / "v.sqlite")
    gained = 0
    for query, wanted in _queries("queries"):
        by_words, by_both = (_top(searcher, query, keyword_only=only) for only in (True, False))
        gained += not by_words & wanted and bool(by_both & wanted)
    assert gained >= 3


def test_words_find_what_only_the_picture_shows(
    server: Server, alias: str, analyzer: str, catalogue: Path, tmp_path: Path
) -> None:
    recipe = _sample(alias, analyzer)
    folder = ROOT / "ingest" / "sample"
    searcher = _load(recipe, Source(str(catalogue), (folder,)), server, tmp_path / "v.sqlite")
    found = sum(bool(_top(searcher, query, keyword_only=False) & wanted) for query, wanted in _queries("photo_queries"))
    assert found >= 5
    hit = searcher.search(Ask("red mug", size=1)).hits[0]
    assert "text_to_image" in {part.clause for part in hit.parts}


def _another_look(photo: Image.Image) -> Image.Image:
    """The photo as another shop would show it: cropped by a tenth, smaller, badly compressed."""
    width, height = photo.size
    cropped = photo.crop((width // 20, height // 20, width - width // 20, height - height // 20))
    file = io.BytesIO()
    cropped.resize((200, 200)).save(file, "JPEG", quality=40)
    return decode(file.getvalue())


@pytest.mark.skipif(not GROCERY.is_dir(), reason=f"no grocery photos in {DATA}")
def test_photo_finds_its_product(server: Server, alias: str, analyzer: str, tmp_path: Path) -> None:
    text = (ROOT / "benchmarks" / "recipes" / "grocery.toml").read_text(encoding="utf-8")
    text = text.replace("${ESMM_BENCH_DATA}", str(DATA)).replace('name = "grocery"', f'name = "{alias}"')
    text = text.replace("[index]", f'[index]\nanalyzer = "{analyzer}"')
    recipe = parse(text, source="grocery").model_copy(update={"text": None})
    assert recipe.image is not None
    (tmp_path / "catalog.jsonl").write_bytes((GROCERY / "catalog.jsonl").read_bytes())
    source = Source(str(tmp_path / "catalog.jsonl"), tuple(recipe.image.photo_places))
    searcher = _load(recipe, source, server, tmp_path / "v.sqlite")
    products = [json.loads(line) for line in (GROCERY / "catalog.jsonl").read_text(encoding="utf-8").splitlines()]
    found = 0
    with zipfile.ZipFile(GROCERY / "photos.zip") as photos:
        for product in products[:30]:
            asked = _another_look(decode(photos.read(product["image"])))
            found += searcher.search(Ask(photo=asked)).hits[0].id == str(product["id"])
    assert found >= 27
