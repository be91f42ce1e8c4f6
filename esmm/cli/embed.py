"""``esmm embed``: the vector of a text or a photo, for a client that has no encoder."""

import json
from typing import TYPE_CHECKING

import click

from esmm.cli.common import device_option, load_recipe, recipe_option
from esmm.cli.search import recognise
from esmm.errors import QueryError

if TYPE_CHECKING:
    from esmm.query.encode import Ask
    from esmm.recipe import Recipe


@click.command()
@click.argument("query", nargs=-1, required=True)
@click.option(
    "--clause",
    help="The clause it is for: text, image, text_to_image or image_to_text.  "
    "[default: text for words, image for a photo]",
)
@recipe_option
@device_option
def embed(query: tuple[str, ...], clause: str | None, recipe_path: str, device: str) -> None:
    """Print the vector of QUERY, words or a photo, as a JSON list: the one that a search sends. Needs no server.

    \b
    esmm embed "navy shirt"
    esmm embed photo.jpg
    """  # noqa: D301  # \b keeps click from folding the lines
    from esmm.query.encode import Ask, photo_of

    text, photo = recognise(query, None)
    if text and photo:
        raise QueryError("a vector is that of words or of a photo, not of both", "embed each by itself")
    if not (text or photo):
        raise QueryError("nothing is given to embed", 'give words or a photo: esmm embed "navy shirt"')
    ask = Ask(text, photo_of(photo) if photo else None)
    click.echo(json.dumps(_vector(load_recipe(recipe_path), ask, clause, device)))


def _vector(recipe: "Recipe", ask: "Ask", clause: str | None, device: str) -> list[float]:
    """Return what a search would send for one clause; loads no other encoder where the clause has its own."""
    from esmm.query.encode import QuestionEncoder

    own, other = ("text", "image") if ask.text else ("image", "text")
    wanted = clause or own
    alone = recipe if wanted != own else recipe.model_copy(update={other: None})
    encoder = QuestionEncoder(alone, None, device=device)
    source = next((found for found in encoder.sources(ask.modalities()) if found.clause == wanted), None)
    if source is None:
        raise QueryError(
            f"the recipe has no {wanted} vector that can be compared with this",
            "name an encoder that takes it in the recipe, or another --clause",
        )
    if fault := encoder.faults.get(source.encoder):
        raise fault
    return [float(number) for made in encoder.clauses(ask) if made.name == wanted for number in made.vector]
