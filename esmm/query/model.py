"""``fusion.json``: a tuned fusion with where it comes from, read by builder, templates and service alike."""

import errno
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from esmm.errors import LearnError
from esmm.paths import whole
from esmm.query.calibrate import shape_of
from esmm.query.fusion import KEYWORD, Fusion, Window, untuned_fusion
from esmm.query.gate import BOUND, Gate, Rarity

if TYPE_CHECKING:
    from esmm.recipe import Recipe

FILE = "fusion.json"
FORMAT = 1
SHAPE = "query_shape"  # in the provenance: that of the shop's own query, where one was tuned with
Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Label = Literal["proven", "promising", "calibrated", "kept"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ClauseModel(_Part):
    """What was learned about one clause: its weight; the constant of a query, or window and floor of a vector."""

    weight: NotNegative
    saturation: Positive | None = None
    low: Number = 0.0
    high: Number = 1.0
    floor: Annotated[float, Field(ge=-1, le=1)] | None = None
    boost: NotNegative | None = None


class GateModel(_Part):
    """The stored form of a :class:`esmm.query.gate.Gate`."""

    coefficients: dict[str, dict[str, Number]]
    middles: dict[str, Number]
    scales: dict[str, Positive]
    bound: Positive = BOUND
    shares: dict[str, Positive] = Field(default_factory=dict)
    least: Positive = 1e-4
    centres: list[list[Number]] | None = None

    @model_validator(mode="after")
    def _measures_what_it_uses(self) -> "GateModel":
        used = {fact for found in self.coefficients.values() for fact in found}
        if missing := sorted(used - (self.middles.keys() & self.scales.keys())):
            raise ValueError(f"no middle or scale of {', '.join(missing)}")
        if self.centres is not None and len({len(centre) for centre in self.centres}) != 1:
            raise ValueError("centres are not equally long, or there are none")
        return self

    def gate(self) -> Gate:
        """Return the gate itself."""
        rarity, centres = Rarity(self.shares, self.least), None
        if self.centres is not None:
            import numpy as np

            centres = np.array(self.centres)
        return Gate(self.coefficients, self.middles, self.scales, self.bound, rarity, centres)


class FusionModel(_Part):
    """A tuned fusion.

    ``label`` says how sure it is: ``proven`` against the keyword search, ``promising``, only ``calibrated``, or
    ``kept`` as it was. ``made_for`` is the digest of what of a recipe decides over scores. ``provenance`` tells the
    judgements, seed, folds and gains, and the shape of the shop's own query if it was tuned with one.
    """

    format: Literal[1] = 1
    kind: str
    label: Label
    made_for: str
    clauses: dict[str, ClauseModel]
    gate: GateModel | None = None
    provenance: dict[str, Any] = Field(default_factory=dict)

    def fusion(self, untuned: Fusion) -> Fusion:
        """Return the fusion that searches use; a clause that the model does not know stays as it was untuned."""
        learned = self.clauses.items()
        constants = {name: c.saturation for name, c in learned if c.saturation is not None and name != KEYWORD}
        keyword = self.clauses.get(KEYWORD)
        return Fusion(
            {**untuned.weights, **{name: clause.weight for name, clause in learned}},
            (keyword.saturation if keyword else None) or untuned.saturation,
            {**untuned.windows, **{n: Window(c.low, c.high) for n, c in learned if c.saturation is None}},
            {**untuned.saturations, **constants},
            {name: clause.floor for name, clause in learned if clause.floor is not None},
            {name: clause.boost for name, clause in learned if clause.boost is not None},
            self.gate.gate() if self.gate else None,
        )

    def check(self, recipe: "Recipe", source: str) -> None:
        """Raise LearnError unless the fusion was tuned for this recipe."""
        if self.made_for != digest_of(recipe):
            raise LearnError(
                f"{source} was tuned for another recipe than {recipe.source}: fields, clauses or encoders differ",
                "tune again (esmm tune), or take the recipe that it was tuned for",
            )

    def cautions(self, query: Mapping[str, Any] | None, *, name: str = FILE) -> tuple[str, ...]:
        """Return a warning if it was tuned with a keyword query whose shape is known and is not that of ``query``."""
        shape = self.provenance.get(SHAPE)
        if shape is None or not query or shape == shape_of(query):
            return ()
        return (f"{name} was tuned with another keyword query than this one, so its weights may not suit: tune again",)

    def save(self, path: Path) -> None:
        """Write the file whole, or not at all. Raises LearnError if it cannot be written."""
        with _writing(path), whole(path) as beside:
            beside.write_text(self.model_dump_json(indent=2, exclude_none=True) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "FusionModel":
        """Read a tuned fusion. Raises LearnError with every fault."""
        remedy = "esmm tune writes one anew"
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or f"not JSON: {error}"
            raise LearnError(f"{path} cannot be read: {reason}", remedy) from None
        version = raw.get("format") if isinstance(raw, dict) else None
        if isinstance(version, int) and version > FORMAT:
            raise LearnError(f"{path} was written by a later esmm (format {version})", "bring esmm up to date")
        try:
            model = cls.model_validate(raw)
        except ValidationError as error:
            told = "; ".join(
                f"{'.'.join(map(str, fault['loc'])) or 'file'}: {fault['msg'].removeprefix('Value error, ')}"
                for fault in error.errors()
            )
            raise LearnError(f"{path} is no tuned fusion: {told}", remedy) from None
        if narrow := [name for name, clause in model.clauses.items() if clause.high <= clause.low]:
            raise LearnError(f"{path}: high is not above low in {', '.join(narrow)}", remedy)
        return model


def check_writable(path: Path) -> None:
    """Raise LearnError if no fusion can be stored there: better told before an hour of learning than after it."""
    with _writing(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with TemporaryFile(dir=path.parent):
            pass


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LearnError(f"{path} cannot be written: {error.strerror}", "name a file in a folder that exists") from None


def model_beside(recipe: "Recipe") -> FusionModel | None:
    """Return the tuned fusion that lies beside a recipe, if there is one. Raises LearnError if it does not fit."""
    path = Path(recipe.source).parent / FILE
    if not path.is_file():
        return None
    model = FusionModel.load(path)
    model.check(recipe, str(path))
    return model


def fusion_in_force(recipe: "Recipe", measured: float | None) -> Fusion:
    """Return the fusion that a recipe's searches use: the tuned one beside it, else the untuned one.

    ``measured`` is the saturation constant that the load found. Raises LearnError if the tuned one does not fit.
    """
    untuned, model = untuned_fusion(recipe, measured), model_beside(recipe)
    return model.fusion(untuned) if model else untuned


def digest_of(recipe: "Recipe") -> str:
    """Return a digest of what of a recipe decides over the scores of its clauses."""
    decides: Mapping[str, Any] = {
        "searched": recipe.searched(),
        "form": [recipe.search.form, recipe.search.operator],
        "analyzer": recipe.index.analyzer,
        "embedded": {f"{weight:g}": names for weight, names in recipe.embedded.items()},
        "vectors": {name: [v.model, v.vector, v.dims, v.query_prefix] for name, v in recipe.vectors().items()},
        "clauses": {
            name: declared.model_dump(exclude={"weight", "saturation"}) for name, declared in recipe.clauses.items()
        },
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]
