"""How well captions find photos and photos captions: recall, MRR and MAP over a validation set."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

_CUTS = (1, 5, 10)


@dataclass(frozen=True)
class Measures:
    """Means over queries, each between 0 and 1; a query has as many right answers as there are equal captions."""

    recall_1: float
    recall_5: float
    recall_10: float
    mrr: float
    map: float


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training pairs came to; ``number`` 0 is the tower before training, without a loss."""

    number: int
    loss: float | None
    learning_rate: float
    seconds: float
    text_to_photo: Measures
    photo_to_text: Measures

    @property
    def score(self) -> float:
        """What epochs are compared by: the mean of both directions' MAP."""
        return (self.text_to_photo.map + self.photo_to_text.map) / 2

    def as_json(self) -> dict[str, Any]:
        """Return the form kept in ``metrics.json``."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> "Epoch":
        """Read the form kept in ``metrics.json``."""
        directions = {name: Measures(**raw[name]) for name in ("text_to_photo", "photo_to_text")}
        return cls(raw["number"], raw["loss"], raw["learning_rate"], raw["seconds"], **directions)


def best_of(history: "Sequence[Epoch]") -> Epoch:
    """Return the epoch with the highest validation score; of equal ones the first that was trained."""
    return max(history, key=lambda epoch: (epoch.score, epoch.number > 0))


def measured(queries: "NDArray[np.float32]", answers: "NDArray[np.float32]", right: "NDArray[np.bool_]") -> Measures:
    """Rank all answers for each query by cosine; both are unit rows, ``right[q, a]`` says what is a right answer.

    Recall@k is 1 for a query with a right answer among its first k (hit rate), as is usual in cross-modal retrieval.
    """
    import numpy as np

    order = np.argsort(-(queries @ answers.T), axis=1, kind="stable")
    hits = np.take_along_axis(right, order, axis=1)
    first = hits.argmax(axis=1)
    ranks = np.arange(1, hits.shape[1] + 1)
    precision = np.cumsum(hits, axis=1) / ranks
    average = (precision * hits).sum(axis=1) / np.maximum(hits.sum(axis=1), 1)
    values = [*((first < cut).mean() for cut in _CUTS), (1 / (first + 1)).mean(), average.mean()]
    return Measures(*map(float, values))


def both_ways(
    photos: "NDArray[np.float32]", texts: "NDArray[np.float32]", captions: "Sequence[str]"
) -> tuple[Measures, Measures]:
    """Return text to photo, and photo to text, for rows that belong together; equal captions are equally right."""
    import numpy as np

    _, same = np.unique(np.asarray(captions, dtype=object).astype(str), return_inverse=True)
    right = same[:, None] == same[None, :]
    _, once = np.unique(same, return_index=True)
    return measured(texts[once], photos, right[once]), measured(photos, texts[once], right[:, once])
