"""Find the data that a search engineer edits: mappings, ingest recipes and the sample catalogue."""

import os
from pathlib import Path

from esmm.errors import EsmmError

_PACKAGE = Path(__file__).parent


def shipped(relative: str, folder: str | None = None) -> Path:
    """Return the path of a shipped file or folder such as ``mappings/index.json.j2``.

    Looked up in this order: ``folder`` (the flag ``--dir``), the environment variable ``ESMM_DIR``,
    the checkout that this package lies in, the copy inside the wheel.
    """
    own = [Path(given) for given in (folder, os.environ.get("ESMM_DIR")) if given]
    for root in [*own, _PACKAGE.parent, _PACKAGE / "_shipped"]:
        path = root / relative
        if path.exists():
            return path
    raise EsmmError(f"{relative} is missing from this installation", "install esmm again, or name a folder by --dir")
