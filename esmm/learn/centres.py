"""The kinds of questions that customers ask: centres of clusters of their vectors."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from esmm.errors import LearnError

if TYPE_CHECKING:
    from esmm.learn.stack import Floats

_RESTARTS, _SEED, _DIGITS = 10, 7, 6


def centres_of(vectors: Sequence[Sequence[float]], count: int) -> "Floats":
    """Return the centres of so many clusters (k-means, Lloyd 1982), shape (count, dims), each of length 1.

    Judgements take no part in them, so questions that a model is measured on may. Raises LearnError where there are
    fewer different vectors.
    """
    import numpy as np

    different = np.unique(np.asarray(vectors, dtype=np.float64), axis=0)
    if len(different) < count:
        raise LearnError(
            f"questions with a vector of their words: {len(different)} different ones, too few for {count} centres",
            "ask for fewer: --centres",
        )
    try:
        from sklearn.cluster import KMeans
    except ImportError:
        raise LearnError(
            "scikit-learn is not installed, so no centres can be found", 'pip install "esmm[learn]"'
        ) from None
    found = KMeans(count, n_init=_RESTARTS, random_state=_SEED).fit(different).cluster_centers_
    # As they are stored.
    return np.asarray(np.round(found / np.linalg.norm(found, axis=1, keepdims=True), _DIGITS))
