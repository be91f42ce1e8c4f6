"""Find the data that a search engineer edits: mappings, ingest recipes and the sample catalogue."""

import os
from pathlib import Path

from esmm.errors import EsmmError

_PACKAGE = Path(__file__).parent


def shipped(relative: str) -> Path:
    """Return the path of a shipped file or folder such as ``mappings/index.json.j2``.

    Looked up in this order: the environment variable ``ESMM_DIR`` (the flag ``--dir`` sets it), the checkout that this
    package lies in, the copy inside the wheel. Raises EsmmError if it is nowhere.
    """
    own = [Path(given)] if (given := os.environ.get("ESMM_DIR")) else []
    for root in [*own, _PACKAGE.parent, _PACKAGE / "_shipped"]:
        path = root / relative
        if path.exists():
            return path
    raise EsmmError(f"{relative} is missing from this installation", "install esmm again, or name a folder by --dir")
