"""Principal axes: vectors turned so that their first numbers tell most, and a recipe's ``dims`` can leave out the rest.

Nothing is centred, so a full turned vector has the cosines it had before. Encoders of one space are turned as one.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from esmm.encoders.resolve import digest
from esmm.errors import EsmmError

if TYPE_CHECKING:
    from esmm.compress.originals import Original
    from esmm.compress.samples import Samples
    from esmm.encoders.base import Matrix


def rotated(originals: "Mapping[str, Original]", samples: "Samples") -> "dict[str, Original]":
    """Return the originals by clause, those of one space turned by one rotation. Raises EsmmError without samples."""
    groups: dict[str, list[Matrix]] = defaultdict(list)
    for clause, made_of in originals.items():
        if not (items := samples.of(clause)):
            raise EsmmError(f"the catalogue has nothing for the {clause} vectors to turn by", "name one that has")
        groups[made_of.config.space].append(made_of.encode(items))
    turns = {space: principal_axes(rows) for space, rows in groups.items()}
    names = {space: f"{space}+pca:{digest([turn.tobytes()])}" for space, turn in turns.items()}
    return {
        clause: made_of.rotated(turns[made_of.config.space], names[made_of.config.space])
        for clause, made_of in originals.items()
    }


def principal_axes(groups: "Sequence[Matrix]") -> "Matrix":
    """Return an orthonormal matrix (dims x dims) whose columns hold most of the rows' squares first.

    Each group counts the same, however many rows it has.
    """
    import numpy as np

    moment = sum(rows.T.astype(np.float64) @ rows / len(rows) for rows in groups)
    axes = np.linalg.eigh(moment)[1][:, ::-1]
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(len(axes))])
    return np.ascontiguousarray(axes * signs, dtype=np.float32)
