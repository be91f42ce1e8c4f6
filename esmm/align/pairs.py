"""From catalogues to pairs: photos fitted into squares on disk, and the captions that belong to each."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esmm.align.augment import ground_of
from esmm.align.captions import Captioner, caption_fields, parts_of
from esmm.encoders.pixels import fitted
from esmm.errors import AlignError, PhotoError
from esmm.ingest.catalogue import read
from esmm.ingest.records import fitting
from esmm.photos import Photo, Photos, decode, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from esmm.ingest.job import Source
    from esmm.recipe import Recipe

LEAST = 16  # fewer pairs can neither be told apart nor be split into training and validation
_AHEAD = 64


@dataclass(frozen=True)
class Catalogue:
    """Where pairs come from; ``customers`` are photos that customers took, by the id of the product they show."""

    source: "Source"
    recipe: "Recipe"
    customers: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def judged(self) -> int:
        """How many photos by customers there should be."""
        return sum(map(len, self.customers.values()))


@dataclass
class Pairs:
    """Photos and their captions; ``customers`` of the photos, of ``judged`` ones, were taken by customers.

    ``photos`` are uint8, shape (pairs, side, side, 4): red, green, blue and the opacity that cuts the product out of a
    plain ground. ``captions`` and ``catalogue`` (the number of the catalogue it is from) have one entry a pair.
    ``broken`` photos could not be used; ``first_fault`` names one and what is wrong with it.
    """

    photos: "NDArray[np.uint8]"
    captions: list[tuple[str, ...]]
    catalogue: list[int]
    customers: int = 0
    judged: int = 0
    broken: int = 0
    first_fault: str = ""

    def __str__(self) -> str:
        taken = f", with {self.customers:,} of {self.judged:,} judged photos by customers" if self.judged else ""
        left = f"; {_unusable(self.broken, self.first_fault)}" if self.broken else ""
        return f"{len(self.captions):,} pairs{taken}{left}"


@dataclass(frozen=True)
class _Wanted:
    """A photo to read, and the parts of its captions."""

    parts: list[str]
    photo: str
    by_customer: bool


@dataclass
class _Found:
    """What one catalogue gives: the parts of the captions, pair by pair, and what was wrong with the rest."""

    parts: list[list[str]]
    customers: int = 0
    broken: int = 0
    lacking: int = 0
    first_fault: str = ""


def read_pairs(catalogues: Sequence[Catalogue], file: Path, *, side: int, limit: int | None = None) -> Pairs:
    """Read the pairs of some catalogues; the pixels go into ``file``, so that memory holds only captions.

    ``limit`` takes no more than so many pairs of each catalogue. A product with several photos makes several pairs.
    Raises AlignError if a catalogue has too few pairs, CatalogueError if it cannot be read.
    """
    import numpy as np

    found = []
    with file.open("wb") as pixels:
        for catalogue in catalogues:
            _check_recipe(catalogue.recipe)
            found.append(_one_catalogue(catalogue, pixels, side=side, limit=limit))
            _check_enough(catalogue.source, found[-1])
            _check_customers(catalogue, found[-1])
    total = sum(len(one.parts) for one in found)
    return Pairs(
        np.memmap(file, dtype=np.uint8, mode="r", shape=(total, side, side, 4)),
        [captions for one in found for captions in _captions(one.parts)],
        [number for number, one in enumerate(found) for _ in one.parts],
        sum(one.customers for one in found),
        sum(catalogue.judged for catalogue in catalogues),
        sum(one.broken for one in found),
        next((one.first_fault for one in found if one.first_fault), ""),
    )


def _captions(products: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    captioner = Captioner(products)
    return [captioner.captions(parts) for parts in products]


def _one_catalogue(catalogue: Catalogue, file: Any, *, side: int, limit: int | None) -> _Found:
    found, source = _Found([]), catalogue.source
    places = [source.folder, *source.photos]
    with (
        Photos(places, allow_private=source.allow_private) as photos,
        ThreadPoolExecutor(2) as pool,
        ExitStack() as end,
    ):
        end.callback(pool.shutdown, cancel_futures=True)

        def pixels(photo: Photo | PhotoError) -> Any:
            if isinstance(photo, PhotoError):
                return photo
            try:
                square = fitted(decode(photo.data or b""), side)
            except PhotoError as error:
                return error
            return square, ground_of(square)

        every = _wanted(catalogue, found)
        while chunk := list(islice(every, _AHEAD)):
            fetched = photos.find_all((wanted.photo for wanted in chunk), lambda _: False)
            squares = pool.map(pixels, [fetched[wanted.photo] for wanted in chunk])
            for wanted, made in zip(chunk, squares, strict=True):
                _keep(wanted, made, file, found)
                if limit and len(found.parts) >= limit:
                    return found
    return found


def _wanted(catalogue: Catalogue, found: _Found) -> Iterator[_Wanted]:
    """Yield what to read of each product; count the products that lack a photo or a text."""
    source, recipe = catalogue.source, catalogue.recipe
    names = caption_fields(recipe)
    for record in fitting(read(source.catalogue, stdin=source.stdin), recipe):
        parts, taken = parts_of(record, names), catalogue.customers.get(record.id, ())
        if not parts or not (record.photos or taken):
            found.lacking += 1
            continue
        yield from (_Wanted(parts, photo, by_customer=False) for photo in record.photos)
        yield from (_Wanted(parts, photo, by_customer=True) for photo in taken)


def _keep(wanted: _Wanted, made: Any, file: Any, found: _Found) -> None:
    import numpy as np

    if isinstance(made, PhotoError):
        found.broken += 1
        name, why = shown(wanted.photo), made.message.rstrip(".")
        found.first_fault = found.first_fault or (why if name in why else f"{name}: {why}")
        return
    file.write(np.dstack(made).tobytes())
    found.parts.append(wanted.parts)
    found.customers += wanted.by_customer


def _check_recipe(recipe: "Recipe") -> None:
    if recipe.text is None or not recipe.named("photo"):
        lacking = "no [text]" if recipe.text is None else "no field of type photo"
        raise AlignError(
            f"{recipe.source} has {lacking}, so there are no pairs of photo and text", "esmm init writes one"
        )


def _check_customers(catalogue: Catalogue, found: _Found) -> None:
    if found.customers or not catalogue.customers:
        return
    why = found.first_fault or f"{catalogue.source.catalogue} lacks their products"
    raise AlignError(
        f"none of the {catalogue.judged:,} judged photos by customers can be used: {why}",
        "name where they are with --photos",
    )


def _check_enough(source: "Source", found: _Found) -> None:
    if len(found.parts) >= LEAST:
        return
    why = f"{found.lacking:,} products lack a photo or a text"
    if found.broken:
        why += f", {_unusable(found.broken, found.first_fault)}"
    raise AlignError(
        f"{source.catalogue} gives {len(found.parts)} pairs of photo and text, and a training needs {LEAST}: {why}",
        "name a larger catalogue, or where its photos are with --photos",
    )


def _unusable(count: int, first_fault: str) -> str:
    return f"{count:,} photos cannot be used (the first: {first_fault})"
