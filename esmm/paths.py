"""Where esmm keeps things on this machine: data (nodes and their indices) and cache (what can be fetched again)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from esmm.errors import EsmmError


def data_dir() -> Path:
    """Return the folder for what must not be lost; ``ESMM_DATA`` overrides it. It may be missing."""
    return _folder("ESMM_DATA", "/var/lib/esmm", "user_data_path")


def cache_dir() -> Path:
    """Return the folder for what can be fetched or computed again; ``ESMM_CACHE`` overrides it. It may be missing."""
    return _folder("ESMM_CACHE", "/var/cache/esmm", "user_cache_path")


def make_folder(path: Path) -> Path:
    """Create a folder with its parents and return it; what root creates can be entered by every user."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    if is_root():
        for folder in missing:
            folder.chmod(0o755)
    return path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a path beside ``path`` to write to; it takes its place when all went well, and is removed when not."""
    beside = path.with_name(path.name + ".part")
    try:
        yield beside
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def is_root() -> bool:
    """Say whether this process runs as root (never on Windows)."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _folder(variable: str, for_root: str, kind: str) -> Path:
    given = os.environ.get(variable)
    if given:
        return Path(given).expanduser().absolute()
    if is_root():
        # Elasticsearch refuses root, so another user starts it, who cannot enter root's home.
        return Path(for_root)
    import platformdirs

    folder: Path = getattr(platformdirs, kind)("esmm", appauthor=False)
    return folder


def vector_cache_path() -> Path:
    """Return the file of the vector cache; ``ESMM_VECTORS`` overrides it."""
    given = os.environ.get("ESMM_VECTORS")
    return Path(given).expanduser() if given else cache_dir() / "vectors.sqlite"


def photo_memory_path() -> Path:
    """Return the file in which fetched photos are remembered, beside the vector cache."""
    return vector_cache_path().with_name("photo-urls.sqlite")


def vector_cache_cap() -> int | None:
    """Return how many bytes the vector cache may hold, by ``ESMM_CACHE_GB``; None for no limit. Raises EsmmError."""
    given = os.environ.get("ESMM_CACHE_GB")
    if not given:
        return None
    try:
        gigabytes = float(given)
    except ValueError:
        gigabytes = 0.0
    if not 0 < gigabytes < 1e6:
        raise EsmmError(
            f"ESMM_CACHE_GB is {given}, which is no size in GB", "set it to a number such as 10, or unset it"
        )
    return int(gigabytes * 1e9)
