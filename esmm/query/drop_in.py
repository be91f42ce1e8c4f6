"""``upgrade(body)``: a shop's own search body made hybrid in one call, wherever the shop builds it."""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from esmm.query.encode import Ask, photo_of
from esmm.query.upgrade import Options

if TYPE_CHECKING:
    from PIL.Image import Image

    from esmm.query.search import Searcher

RECIPE = "esmm.toml"


def upgrade(
    body: Any,
    *,
    text: str | None = None,
    image: "str | bytes | Image | None" = None,
    like: str | Sequence[str] = (),
    avoid: str | None = None,
    searcher: "Searcher | None" = None,
    **options: Any,
) -> Any:
    """Return the hybrid form of a search body: a dict for a dict or JSON text, a Search for a Search of the dsl.

    ``text`` is what the text vector looks for; left out, the one text that the body asks for. ``image`` is a path,
    URL, data URI, the bytes of a photo or a PIL image; ``like`` are ids of products; ``avoid`` a text to keep away
    from. ``options`` are those of :class:`esmm.query.upgrade.Options` (strategy, recall, facets, floors). Without a
    ``searcher``, one is made at the first call, and kept, from ``esmm.toml`` and the server that the command line
    would use.
    Raises QueryError, EncoderError or ClusterError.
    """
    kin = (like,) if isinstance(like, str) else tuple(like)
    ask = Ask(text, photo_of(image) if image is not None else None, like=kin, avoid=avoid)
    made = (searcher or _default_searcher()).upgrade(body, ask, Options.checked(**options))
    return _as_given(body, made.body)


@lru_cache(maxsize=1)
def _default_searcher() -> "Searcher":
    from pathlib import Path

    from esmm.cluster import capabilities, connect, named_errors
    from esmm.query.calibrate import Calibration
    from esmm.query.model import model_beside
    from esmm.query.search import Searcher
    from esmm.recipe import load
    from esmm.server import find_server

    where = find_server()
    with named_errors(where):
        client = connect(where)
        known, recipe = Calibration.load(Path(RECIPE).parent / Calibration.FILE), load(RECIPE)
        return Searcher(client, recipe, capabilities(client), calibration=known, model=model_beside(recipe))


def _as_given(given: Any, hybrid: dict[str, Any]) -> Any:
    """Return the body as a Search like the one given, or as the dict that it is."""
    if not hasattr(given, "update_from_dict"):
        return hybrid
    # A clone keeps index, connection and parameters; its own query and options are all in the hybrid body.
    return type(given)(using=given._using, index=given._index, doc_type=given._doc_type).update_from_dict(hybrid)
