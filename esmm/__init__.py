"""esmm: multi-modal hybrid search for an Elasticsearch product search that exists already.

The names below are loaded when they are first used, so that ``import esmm`` costs next to nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from esmm.cluster import capabilities, connect, connection
    from esmm.encoders import load_encoder
    from esmm.errors import EsmmError
    from esmm.query.drop_in import upgrade
    from esmm.query.fusion import Fusion
    from esmm.query.search import Ask, Searcher
    from esmm.recipe import Recipe
    from esmm.recipe import load as load_recipe

__version__ = "0.1.0"
__all__ = [
    "Ask",
    "EsmmError",
    "Fusion",
    "Recipe",
    "Searcher",
    "capabilities",
    "connect",
    "connection",
    "load_encoder",
    "load_recipe",
    "upgrade",
]
_HOMES = {
    "Ask": ("esmm.query.search", "Ask"),
    "EsmmError": ("esmm.errors", "EsmmError"),
    "Fusion": ("esmm.query.fusion", "Fusion"),
    "Recipe": ("esmm.recipe", "Recipe"),
    "Searcher": ("esmm.query.search", "Searcher"),
    "capabilities": ("esmm.cluster", "capabilities"),
    "connect": ("esmm.cluster", "connect"),
    "connection": ("esmm.cluster", "connection"),
    "load_encoder": ("esmm.encoders", "load_encoder"),
    "load_recipe": ("esmm.recipe", "load"),
    "upgrade": ("esmm.query.drop_in", "upgrade"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
