"""The pure part of the query flow: what of a question meets which vector, and the body that comes of it."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny_models
from PIL import Image

from esmm.cluster import Capabilities
from esmm.encoders import EncoderInfo
from esmm.encoders.digest import DigestEncoder
from esmm.encoders.sentence import SentenceEncoder
from esmm.errors import EncoderError, QueryError
from esmm.query.clauses import VectorClause
from esmm.query.encode import Ask, QuestionEncoder, check_encoder, sources_of
from esmm.query.fusion import DEFAULT_SATURATION, Fusion, untuned_fusion
from esmm.query.search import request
from esmm.recipe import VectorField
from tests.conftest import tiny_recipe

PHOTO = Image.new("RGB", (4, 4), "red")
BOTH: tuple[Any, ...] = ("text", "photo")


def clauses(**infos: EncoderInfo) -> dict[str, Any]:
    return {name: {"field": f"{name}_vector", "encoder": info.as_meta()} for name, info in infos.items()}


MINILM = EncoderInfo("minilm", "1", 384, "minilm", ("text",))
BACKBONE = EncoderInfo("backbone", "1", 1280, "backbone", ("photo",))
CLIP = EncoderInfo("clip", "1", 512, "clip", BOTH)
ALIGNED = EncoderInfo("tower", "1", 384, "minilm", ("photo",))
TWIN = EncoderInfo("multilingual", "1", 512, "clip", ("text",))
SHORT = EncoderInfo("multilingual", "1", 256, "clip", ("text",))
PHOTOS = EncoderInfo("photos", "1", 512, "clip", ("photo",))
PROMPTED = replace(CLIP, query_prefix="a photo of ")
WORDS, PHOTO_ALONE = {"text": ("text", "text")}, {"image": ("photo", "image")}
ALL = WORDS | PHOTO_ALONE
PHOTO_SHARED = PHOTO_ALONE | {"image_to_text": ("photo", "image")}
ALL_SHARED = WORDS | PHOTO_SHARED | {"text_to_image": ("text", "text")}


@pytest.mark.parametrize(
    ("meta", "asked", "expected"),
    [
        (clauses(text=MINILM, image=BACKBONE), {"text"}, WORDS),
        (clauses(text=MINILM, image=BACKBONE), {"photo"}, PHOTO_ALONE),
        (clauses(text=MINILM, image=BACKBONE), set(BOTH), ALL),
        (clauses(text=MINILM, image=CLIP), {"text"}, WORDS | {"text_to_image": ("text", "image")}),
        (clauses(text=MINILM, image=CLIP), {"photo"}, PHOTO_ALONE),
        (clauses(text=MINILM, image=CLIP), set(BOTH), ALL | {"text_to_image": ("text", "image")}),
        (clauses(text=MINILM, image=ALIGNED), {"text"}, WORDS | {"text_to_image": ("text", "text")}),
        (clauses(text=MINILM, image=ALIGNED), {"photo"}, PHOTO_SHARED),
        (clauses(text=MINILM, image=ALIGNED), set(BOTH), ALL_SHARED),
        (clauses(text=CLIP, image=CLIP), set(BOTH), ALL_SHARED),
        (clauses(text=CLIP, image=PROMPTED), set(BOTH), ALL_SHARED | {"text_to_image": ("text", "image")}),
        (clauses(text=CLIP, image=BACKBONE), {"photo"}, PHOTO_ALONE | {"image_to_text": ("photo", "text")}),
        (clauses(text=TWIN, image=CLIP), {"text"}, WORDS | {"text_to_image": ("text", "text")}),
        (clauses(text=TWIN, image=CLIP), {"photo"}, PHOTO_SHARED),
        (clauses(text=SHORT, image=CLIP), {"text"}, WORDS | {"text_to_image": ("text", "image")}),
        (clauses(text=SHORT, image=CLIP), {"photo"}, PHOTO_ALONE),
        (clauses(text=SHORT, image=PHOTOS), {"text"}, WORDS),
        (clauses(image=CLIP), {"text"}, {"text_to_image": ("text", "image")}),
        (clauses(text=MINILM), {"photo"}, {}),
        (clauses(image=BACKBONE), {"text"}, {}),
        (clauses(text=CLIP), {"photo"}, {"image_to_text": ("photo", "text")}),
        ({}, {"text"}, {}),
    ],
)
def test_which_part_of_a_question_meets_which_field(
    meta: dict[str, Any], asked: set[Any], expected: dict[str, tuple[str, str]]
) -> None:
    found = sources_of(meta, asked)
    assert {source.clause: (source.modality, source.encoder) for source in found} == expected
    fields = {"text": "text_vector", "image": "image_vector"}
    fields |= {"text_to_image": "image_vector", "image_to_text": "text_vector"}
    assert all(source.field == fields[source.clause] for source in found)
    vectors = [(source.modality, source.encoder) for source in found]
    assert len({source.parameter for source in found}) == len(set(vectors)), "one name for each vector"
    own = {("text", "text"): "text_vector", ("photo", "image"): "image_vector"}
    assert all(s.parameter == own.get((s.modality, s.encoder), f"{s.clause}_vector") for s in found)


class Counting(DigestEncoder):
    """A digest encoder that remembers what it was given."""

    def __init__(self, dims: int) -> None:
        super().__init__(dims)
        self.given: list[Any] = []

    def encode(self, items: Sequence[Any]) -> Any:
        self.given.extend(items)
        return super().encode(items)


def test_each_input_is_encoded_once_by_each_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Counting] = {}

    def load(vector: VectorField, **_: Any) -> Counting:
        return made.setdefault(vector.vector, Counting(int(vector.model.split("-")[1])))

    monkeypatch.setattr("esmm.encoders.load_encoder", load)
    encoder = QuestionEncoder(tiny_recipe(), None)
    first = encoder.clauses(Ask("red shoe", PHOTO))
    assert encoder.clauses(Ask("red shoe", PHOTO.copy())) == first, "remembered"
    assert made["text_vector"].given == ["red shoe", PHOTO]
    assert made["image_vector"].given == [PHOTO, "red shoe"]
    assert [(clause.name, clause.field) for clause in first] == [
        ("text", "text_vector"),
        ("image", "image_vector"),
        ("text_to_image", "image_vector"),
        ("image_to_text", "text_vector"),
    ]
    for clause, given in zip(first[1:3], (PHOTO, "red shoe"), strict=True):
        assert clause.vector == pytest.approx(DigestEncoder(16).encode([given])[0].tolist(), abs=1e-6)


def test_a_question_is_encoded_in_its_role_by_a_model_that_is_loaded_once(tmp_path: Path) -> None:
    folder = tiny_models.clip(tmp_path / "clip")
    own = tiny_recipe(**{'"digest-32"': f'"{folder}"\nquery_prefix = "a "', '"digest-16"': f'"{folder}"'})
    plain = SentenceEncoder(str(folder))
    text = replace(plain.info, query_prefix="a ")
    encoder = QuestionEncoder(own, clauses(text=text, image=plain.info), device="cpu")
    assert [source.clause for source in encoder.sources({"text"})] == ["text", "text_to_image"]
    found = encoder.clauses(Ask(photo=PHOTO))
    shutil.rmtree(folder)
    found += encoder.clauses(Ask("red shoe"))
    expected = [*plain.encode([PHOTO]), *plain.encode(["a red shoe", "red shoe"])]
    by_photo, by_words = found[:2], found[2:]
    assert [clause.name for clause in by_photo] == ["image", "image_to_text"]
    assert [clause.name for clause in by_words] == ["text", "text_to_image"]
    assert by_photo[0].vector == by_photo[1].vector
    for clause, vector in zip(found[1:], expected, strict=True):
        assert clause.vector == pytest.approx(vector.tolist(), abs=1e-6)


@pytest.mark.parametrize("changed", ["id", "revision", "dims", "space", "query_prefix", "passage_prefix"])
def test_a_query_by_another_encoder_is_refused(changed: str) -> None:
    other = EncoderInfo.from_meta(MINILM.as_meta() | {changed: 7})
    with pytest.raises(EncoderError, match=r"text vectors of the index were made by minilm \(1, 384 dims\)") as caught:
        check_encoder("text", MINILM, other)
    assert caught.value.message.endswith(f"they differ in {changed} ({getattr(MINILM, changed)!r}, 7)")
    check_encoder("text", MINILM, EncoderInfo.from_meta(MINILM.as_meta()))


def test_the_weights_of_the_recipe_and_the_measured_saturation() -> None:
    own = tiny_recipe(**{"[text]": "[fusion]\ntext = 0.25\nsaturation = 3\n[text]"})
    fusion = untuned_fusion(own, 9.5)
    assert [fusion.weight(clause) for clause in ("keyword", "text", "image", "text_to_image")] == [1, 0.25, 0.2, 0.3]
    assert fusion.saturation == 3
    assert untuned_fusion(tiny_recipe(), 9.5).saturation == 9.5
    assert untuned_fusion(tiny_recipe(), None).saturation == DEFAULT_SATURATION


def body_of(ask: Ask, vectors: Sequence[VectorClause] = ()) -> dict[str, Any]:
    return request(tiny_recipe(), ask, vectors, Fusion({}), Capabilities())


VECTOR = VectorClause("text", "text_vector", (1.0,))


def test_filters_bind_keyword_and_vector_hits() -> None:
    body = body_of(Ask("shoe", filters={"gender": ["Men"]}), [VECTOR])
    wanted = [{"terms": {"gender": ["Men"]}}]
    keyword, knn = body["query"]["bool"]["should"]
    assert keyword["bool"]["must"][0]["bool"]["filter"] == wanted
    assert knn["knn"]["filter"] == wanted


def test_the_page_and_what_is_left_out_of_the_source() -> None:
    body = body_of(Ask("shoe", size=5, start=20))
    assert (body["size"], body["from"]) == (5, 20)
    assert set(body["_source"]["excludes"]) == {"text_vector", "image_vector", "esmm"}


@pytest.mark.parametrize("ask", [Ask(), Ask(""), Ask(filters={"gender": ["Men"]})])
def test_an_empty_question(ask: Ask) -> None:
    with pytest.raises(QueryError, match="the query is empty"):
        body_of(ask, [VECTOR])


def test_a_page_beyond_the_window() -> None:
    window = tiny_recipe().search.window
    assert body_of(Ask("shoe", start=window - 10, size=10), [VECTOR])["from"] == window - 10
    with pytest.raises(QueryError, match=f"{window + 1}, beyond the window of {window}") as caught:
        body_of(Ask("shoe", start=window - 9, size=10), [VECTOR])
    assert "search.window" in caught.value.hint


def test_without_vectors_there_is_no_window() -> None:
    assert body_of(Ask("shoe", start=5000))["from"] == 5000
