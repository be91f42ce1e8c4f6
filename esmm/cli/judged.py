"""What the commands share that learn from judgements or measure by them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from esmm.cli.common import together
from esmm.cli.upgrade import read_text
from esmm.errors import QueryError

if TYPE_CHECKING:
    from PIL.Image import Image

# How judgements are read, and what their questions are asked with.
judged_options = together(
    click.option("--query", "body", help="Your own search body (JSON): its query is the keyword clause."),
    click.option("--photos", multiple=True, metavar="PLACE", help="Folder or zip file with the photos of questions."),
    click.option(
        "--format", "form", default="auto", show_default=True, help="table, jsonl, trec, quepid or rank_eval."
    ),
    click.option("--topics", help="TREC topics: what the ids of qrels stand for."),
)


def own_body(source: str | None) -> dict[str, Any] | None:
    """Read a shop's own request, if one is named.

    Raises QueryError unless its words can be replaced by those of a question.
    """
    from esmm.query.body import read_body
    from esmm.query.text import text_of

    if not source:
        return None
    body = read_body(read_text(source))
    if not body.get("query") or text_of(body["query"]) is None:
        raise QueryError(
            f"the query of {source} asks for no text that a question's words could replace",
            "give the search body as your shop sends it",
        )
    return body


@contextmanager
def question_photos(places: Sequence[str]) -> "Iterator[Callable[[str], Image] | None]":
    """Give what opens the photo of a question, found in folders and zip files; None where no place is named."""
    from esmm.learn.features import opened_photo
    from esmm.photos import Photos

    with Photos([Path(place) for place in places]) as photos:
        yield partial(opened_photo, photos) if places else None
