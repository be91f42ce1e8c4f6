"""Clause scores without a server: from a catalogue file, by rank-bm25 and numpy, for notebooks and a first look.

The scores are those of ``esmm/learn/features.py`` as nearly as ``esmm/learn/bm25.py`` counts words; vectors are
those that a load would store, and their nearest are found by comparing with all.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from esmm.errors import LearnError
from esmm.index_meta import new_meta
from esmm.ingest.batches import Preparer, batch_size, chunked, encode, stored
from esmm.ingest.catalogue import head, read
from esmm.ingest.fit import LOOKED_AT, check_fit
from esmm.ingest.records import fitting, value_of
from esmm.ingest.report import Ledger, LoadReport
from esmm.ingest.vectors import open_cache
from esmm.learn.analysis import analysed
from esmm.learn.bm25 import Column, Words, sum_of
from esmm.learn.features import TITLES, Collected, Found, OnStep, collected, gathered, opened_photo
from esmm.learn.scores import FORM
from esmm.learn.stack import CUT
from esmm.learn.values import number_of, recency_of
from esmm.photos import Photos
from esmm.query.clauses import VectorClause, shortened
from esmm.query.encode import Ask, QuestionEncoder
from esmm.query.feedback import moved
from esmm.query.fusion import KEYWORD
from esmm.query.gate import Rarity
from esmm.recipe import FORMS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from esmm.encoders import Encoder
    from esmm.ingest.records import Record
    from esmm.learn.judgements import Judgements, Question
    from esmm.recipe import DeclaredClause, Recipe

    Scores = NDArray[np.float64]
    Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Shelf:
    """The products of a catalogue, and by vector field one row a product: NaN where it has no vector."""

    records: "tuple[Record, ...]"
    vectors: "Mapping[str, Matrix]"

    def fields(self, place: int) -> "dict[str, Matrix]":
        """Return the vectors that a product has, by field."""
        found = {name: rows[place] for name, rows in self.vectors.items()}
        return {name: row for name, row in found.items() if row[0] == row[0]}  # else NaN

    @classmethod
    def read(
        cls, recipe: "Recipe", catalogue: str | Path, *, encoders: "Mapping[str, Encoder]", photos: Sequence[Path]
    ) -> "Shelf":
        """Read and encode a catalogue; vectors that a load or an earlier look made come from the cache.

        Products that do not fit the recipe are left out, and of equal ids the later ones, as in a load. Raises
        RecipeError if the recipe names what the catalogue lacks, LearnError if no product is left.
        """
        check_fit(recipe, head(catalogue, LOOKED_AT))
        fields = {clause: recipe.vectors()[clause].vector for clause in encoders}
        report = LoadReport()
        with (
            TemporaryDirectory() as faults,
            Ledger(report, Path(faults), "offline") as ledger,
            Photos(photos) as places,
            open_cache() as cache,
        ):
            made: list[tuple[Record, Mapping[str, Matrix]]] = []
            products = _unique(recipe, catalogue)
            for batch in Preparer(encoders, places, cache, ledger).prepared(chunked(products, batch_size(encoders))):
                encode(batch, encoders, cache, report)
                made += stored(batch, fields)
        if not made:
            raise LearnError(
                f"no product of {catalogue} fits the recipe {recipe.source}", "esmm ingest --dry-run tells why"
            )
        dims = {fields[clause]: encoder.info.dims for clause, encoder in encoders.items()}
        rows = {name: _matrix([vectors.get(name) for _, vectors in made], count) for name, count in dims.items()}
        return cls(tuple(record for record, _ in made), rows)


class OfflineCollector:
    """Scores the products of a catalogue file; ``photos`` are folders or zip files with photos of both sides.

    ``encoders`` make the products' vectors (``esmm.encoders.load_encoders``); without them there are words only.
    ``photo_of`` opens the photo of a question; left out, it is looked for where products' photos are.
    """

    def __init__(
        self,
        recipe: "Recipe",
        catalogue: str | Path,
        *,
        encoders: "Mapping[str, Encoder]",
        photos: Sequence[Path] = (),
        photo_of: "Callable[[str], Image] | None" = None,
    ) -> None:
        self._recipe, self._catalogue = recipe, str(catalogue)
        folders = [Path(catalogue).parent, *photos, *(recipe.image.photo_places if recipe.image else [])]
        self.shelf = Shelf.read(recipe, catalogue, encoders=encoders, photos=folders)
        self._ids = [record.id for record in self.shelf.records]
        self._columns = {name: self._column(name) for name in self._read_fields()}
        self._words = Words(self._columns, recipe.searched(), recipe.search.operator)
        infos = {clause: encoder.info for clause, encoder in encoders.items()}
        self._encoder = QuestionEncoder(recipe, new_meta(recipe, infos)["clauses"])
        self._photo_of = photo_of or partial(_photo, folders)
        self._fixed = {
            name: found for name, declared in recipe.clauses.items() if (found := self._value(declared)) is not None
        }
        self.rarity = self._rarity()

    def collect(
        self, judgements: "Judgements", on_step: OnStep = lambda _done, _all: None, *, centres: int = 0
    ) -> Collected:
        """Return the scores of all questions, and how near each is to so many ``centres`` of them.

        Raises LearnError if the catalogue holds none of the judged products.
        """
        asked = gathered(judgements, self._found, self._encoder.vector_of, on_step)
        return collected(
            asked, judgements, rarity=self.rarity, where=f"the catalogue {self._catalogue}", centres=centres
        )

    def _found(self, question: "Question", judged: Mapping[str, float]) -> Found:
        """Return the scores of candidates and judged products by clause, and the ids of the candidates."""
        text = shortened(question.text or "")
        forms = {form: self._words.scores(text, form) for form in FORMS}
        keyword = forms.pop(self._recipe.search.form)
        clauses = self._encoder.clauses(Ask(question.text, self._photo_of(question.photo) if question.photo else None))
        if self._recipe.search.feedback:
            clauses = moved(clauses, self._first_look(keyword, clauses))
        cosines = self._cosines(clauses)
        columns = {KEYWORD: keyword, **cosines, **self._declared(text), **{FORM + name: s for name, s in forms.items()}}
        candidates = {self._ids[place] for place in self._candidates(keyword, list(cosines.values()))}
        raws = {
            product: _present(columns, place)
            for place, product in enumerate(self._ids)
            if product in candidates or product in judged
        }
        return raws, candidates

    def _candidates(self, keyword: "Scores", cosines: "Sequence[Scores]") -> list[int]:
        """Take k neighbours of each vector, and fill the window with the best of the words: what ``exact`` gathers."""
        limits = self._recipe.search
        near = {place for scores in cosines for place in _best(scores, limits.k)}
        window = max(limits.window, limits.k * len(cosines) + limits.depth)
        others = [place for place in _best(keyword, window) if place not in near]
        return [*near, *others[: window - len(near)]]

    def _cosines(self, clauses: "Sequence[VectorClause]") -> "dict[str, Scores]":
        import numpy as np

        found = {}
        for clause in clauses:
            query = np.asarray(clause.vector, dtype=np.float32)
            cosines = self.shelf.vectors[clause.field] @ (query / np.linalg.norm(query))
            found[clause.name] = cosines.astype(np.float64)
        return found

    def _first_look(self, keyword: "Scores", clauses: "Sequence[VectorClause]") -> list[dict[str, Any]]:
        """Return the first hits with their vectors, keyword and vectors weighing alike."""
        import numpy as np

        columns = [_saturated(keyword), *(np.clip(each, 0, 1) for each in self._cosines(clauses).values())]
        held = self._candidates(keyword, columns[1:])
        scores = np.sum([np.nan_to_num(column[held]) for column in columns], axis=0)
        best = np.argsort(-scores, kind="stable")[: self._recipe.search.feedback]
        return [{"fields": self.shelf.fields(held[place])} for place in best]

    def _declared(self, text: str) -> "dict[str, Scores]":
        words = {
            name: self._matched(declared, text)
            for name, declared in self._recipe.clauses.items()
            if declared.match or declared.phrase
        }
        return {**words, **self._fixed}

    def _matched(self, declared: "DeclaredClause", text: str) -> "Scores":
        if declared.phrase:
            column = self._columns[declared.phrase]
            return column.phrase(column.cut(text), declared.slop)
        columns = [self._columns[name] for name in declared.match]
        return sum_of([column.scores(column.cut(text)) for column in columns])

    def _value(self, declared: "DeclaredClause") -> "Scores | None":
        """Return what a number or a date gives to each product, whatever is asked."""
        import numpy as np

        if not (name := declared.number or declared.date):
            return None
        score = number_of if declared.number else partial(recency_of, now=time.time(), half_life=declared.half_life)
        return np.array([score(value_of(record.fields, name)) for record in self.shelf.records], dtype=np.float64)

    def _column(self, name: str) -> Column:
        recipe = self._recipe
        cut: Callable[[str], list[str]] = partial(analysed, analyzer=recipe.index.analyzer)
        if recipe.fields[name].type == "keyword":
            cut = _whole
        values = [_texts(value_of(record.fields, name)) for record in self.shelf.records]
        return Column([[word for text in texts for word in cut(text)] for texts in values], cut)

    def _read_fields(self) -> list[str]:
        declared = [name for each in self._recipe.clauses.values() if each.match or each.phrase for name in each.reads]
        return list(dict.fromkeys([*self._recipe.searched(), *declared]))

    def _rarity(self) -> Rarity:
        title = self._recipe.heaviest
        titles = [" ".join(_texts(value_of(record.fields, title))) for record in self.shelf.records]
        there = [text for text in titles if text]
        return Rarity.counted(random.Random(7).sample(there, min(TITLES, len(there))))  # noqa: S311


def _saturated(scores: "Scores") -> "Scores":
    """Return s / (s + k), k the score at rank 10."""
    import numpy as np

    best = np.sort(scores[~np.isnan(scores)])[::-1][:CUT]
    return scores / (scores + best[-1]) if len(best) else scores


def _unique(recipe: "Recipe", catalogue: str | Path) -> "Iterator[Record]":
    seen: set[str] = set()
    for record in fitting(read(catalogue), recipe):
        if record.id not in seen:
            seen.add(record.id)
            yield record


def _matrix(vectors: "Sequence[Matrix | None]", dims: int) -> "Matrix":
    import numpy as np

    rows = np.full((len(vectors), dims), np.nan, dtype=np.float32)
    for row, vector in zip(rows, vectors, strict=True):
        if vector is not None:
            row[:] = vector
    return rows


def _best(scores: "Scores", count: int) -> list[int]:
    """Return the places of the best scores; those that are none are left out."""
    import numpy as np

    order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")[:count]
    return [int(place) for place in order if not np.isnan(scores[place])]


def _present(columns: "Mapping[str, Scores]", place: int) -> dict[str, float]:
    return {name: value for name, scores in columns.items() if (value := float(scores[place])) == value}


def _photo(folders: Sequence[Path], reference: str) -> "Image":
    with Photos(folders) as photos:
        return opened_photo(photos, reference)


def _whole(text: str) -> list[str]:
    return [text] if text else []


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [str(each) for each in values if each is not None]
