"""Guess a recipe from the first products of a catalogue, for a person to edit."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from esmm.errors import CatalogueError
from esmm.templates import render_text

_ID_NAMES = ("id", "_id", "sku", "asin", "product_id", "item_id", "productid", "uid", "code", "ean", "gtin", "uuid")
_TITLE = re.compile(r"(^|_)(title|name|product_?name|item_?name|label)$", re.IGNORECASE)
_BRAND = re.compile(r"brand|manufacturer|maker|vendor", re.IGNORECASE)
_PHOTO = re.compile(r"image|photo|picture|img|thumb", re.IGNORECASE)
_PHOTO_VALUE = re.compile(r"(^data:image/)|(\.(jpe?g|png|webp|gif|bmp|tiff?)([?#].*)?$)", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?")
_ID_LENGTH = 64
_CLEAN = 0.9  # the share of values that must fit: a catalogue has a few spoilt lines, which the load rejects
_LONG_WORDS, _FACET_WORDS, _FACET_SHARE, _FACET_LEAST = 20, 5, 0.3, 20


@dataclass(frozen=True)
class Guess:
    """One line of the recipe's fields."""

    name: str
    type: str
    boost: float = 1
    embed: float = 0
    facet: bool = False


def infer_recipe(products: Sequence[dict[str, Any]], *, name: str) -> str:
    """Return the text of a recipe for products like these. Raises CatalogueError if none could be an id."""
    columns = {key: [p[key] for p in products if p.get(key) not in (None, "", [])] for key in _keys(products)}
    columns = {key: values for key, values in columns.items() if values}
    identity = _id_field(columns, len(products))
    guesses = [_guess(key, values) for key, values in columns.items() if key != identity]
    return recipe_text([g for g in guesses if g], name=name, id_field=identity)


def recipe_text(guesses: Sequence[Guess], *, name: str, id_field: str) -> str:
    """Render the commented recipe."""
    from esmm.recipe import FusionWeights

    text = render_text(
        "ingest/recipe.toml.j2",
        fields=guesses,
        index_name=_index_name(name),
        id_field=id_field,
        embeds=any(g.embed for g in guesses),
        photos=any(g.type == "photo" for g in guesses),
        fusion=FusionWeights(),
    )
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


DEFAULT_FIELDS = (
    Guess("title", "text", boost=3, embed=1),
    Guess("brand", "text", boost=2, embed=1, facet=True),
    Guess("category", "text", embed=1, facet=True),
    Guess("description", "text", embed=0.5),
    Guess("price", "double"),
    Guess("image", "photo"),
)


def _keys(products: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for product in products for key in product))


def _id_field(columns: dict[str, list[Any]], count: int) -> str:
    """Choose a field that is there with a different value in nearly every product; a few lines may be spoilt."""
    short = {key: {v for v in map(str, values) if len(v) <= _ID_LENGTH} for key, values in columns.items()}
    unique = [key for key, values in short.items() if len(values) >= _CLEAN * count]
    named = [key for wanted in _ID_NAMES for key in unique if key.lower() == wanted]
    whole = [key for key in unique if len(short[key]) == count]
    if not (named or whole):
        raise CatalogueError(
            "no field could be the id: none has a different value in every product",
            "add one, or name it as index.id in a recipe of your own: esmm init --print",
        )
    return (named or whole)[0]


def _guess(name: str, values: list[Any]) -> Guess | None:
    flat = [item for value in values for item in (value if isinstance(value, list) else [value])]
    if any(isinstance(item, dict) for item in flat):
        return None
    texts = [item for item in flat if isinstance(item, str)]
    if len(texts) == len(flat) and sum(bool(_PHOTO_VALUE.search(text)) for text in texts) > len(texts) / 2:
        return Guess(name, "photo")
    if _PHOTO.search(name) and texts and all(len(text) > 500 for text in texts):
        return Guess(name, "photo")
    fits = (Guess(name, kind) for kind, test in _TYPES.items() if sum(map(test, flat)) >= _CLEAN * len(flat))
    return next(fits, None) or _text(name, flat)


def _text(name: str, values: list[Any]) -> Guess:
    texts = [str(value) for value in values]
    words = sum(len(text.split()) for text in texts) / len(texts)
    if _TITLE.search(name):
        return Guess(name, "text", boost=3, embed=1)
    if all(text.startswith(("http://", "https://")) for text in texts):
        return Guess(name, "keyword")
    few = len(set(texts)) <= max(_FACET_LEAST, _FACET_SHARE * len(texts)) and words <= _FACET_WORDS
    if _BRAND.search(name):
        return Guess(name, "text", boost=2, embed=1, facet=True)
    return Guess(name, "text", embed=0.5 if words > _LONG_WORDS else 1, facet=few)


def _is_number(value: Any, pattern: str) -> bool:
    """Say whether a value is a number, or a text that is one; a code such as 00123 is none."""
    return not isinstance(value, bool) and bool(re.fullmatch(pattern, str(value)))


_TYPES: dict[str, Callable[[Any], bool]] = {
    "boolean": lambda v: isinstance(v, bool) or str(v).lower() in ("true", "false"),
    "long": lambda v: _is_number(v, r"-?(0|[1-9]\d{0,17})"),
    "double": lambda v: _is_number(v, r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?"),
    "date": lambda v: isinstance(v, str) and bool(_DATE.fullmatch(v)),
}


def _index_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "products"
