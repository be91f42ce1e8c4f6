"""From a record and its vectors to the bytes of a bulk request."""

import base64
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from esmm.ingest.records import Record

    Vector = NDArray[np.float32]


def weighted_mean(parts: "list[tuple[float, Vector]]") -> "Vector | None":
    """Return the weighted mean of unit vectors, brought to length 1; None where there is none or they cancel out."""
    import numpy as np

    if not parts:
        return None
    mean: Vector = np.stack([weight * vector for weight, vector in parts]).sum(axis=0)
    length = float(np.linalg.norm(mean))
    return None if length < 1e-6 else (mean / length).astype(np.float32)


def pack(vector: "Vector") -> str:
    """Return a vector as Elasticsearch 9.3 and later take it fastest: base64 of big-endian 32-bit floats."""
    return base64.b64encode(vector.astype(">f4").tobytes()).decode()


def fields_of(record: "Record") -> dict[str, Any]:
    """Return the fields of a record as they are stored: a field without a value is left out."""
    return {name: value for name, value in record.fields.items() if value is not None}


def bulk_lines(record: "Record", vectors: "dict[str, Vector]", *, packed: bool, fingerprint: str) -> bytes:
    """Return the two lines of a bulk request that store a record; ``vectors`` are by index field."""
    import orjson

    document = fields_of(record)
    document |= {field: pack(vector) if packed else vector for field, vector in vectors.items()}
    # The ingest pipeline lets a document without vectors pass that has this: they were not forgotten.
    document["esmm"] = {"fingerprint": fingerprint}
    action = orjson.dumps({"index": {"_id": record.id}})
    return action + b"\n" + orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY) + b"\n"
