"""``esmm clicks``: judgements from a search log."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from esmm.cli.common import say

if TYPE_CHECKING:
    from esmm.learn.clicks import Judged

REJECTED, _SHOWN = 3, 10
AMOUNT, COUNT = click.FloatRange(0), click.IntRange(1)


@click.command()
@click.argument("log")
@click.option("-o", "--out", default="judgements.tsv", show_default=True, help="The table to write.")
@click.option("--print", "print_", is_flag=True, help="Print the table and write nothing.")
@click.option(
    "--model",
    type=click.Choice(["pbm", "swaps"]),
    default="pbm",
    show_default=True,
    help="How position bias is found: from products that moved, or from randomised swaps.",
)
@click.option(
    "--min-looks", type=AMOUNT, default=5.0, show_default=True, help="Looks a product needs: views times their chance."
)
@click.option(
    "--cart-weight", type=AMOUNT, default=2.0, show_default=True, help="What a cart counts; a click counts 1."
)
@click.option("--purchase-weight", type=AMOUNT, default=4.0, show_default=True, help="What a purchase counts.")
@click.option(
    "--max-searches", type=COUNT, default=200, show_default=True, help="More in a day, and a user is a program."
)
@click.option(
    "--max-share",
    type=AMOUNT,
    default=0.5,
    show_default=True,
    help="A user who clicks more of what is shown is dropped.",
)
@click.option(
    "--max-repeats", type=COUNT, default=10, show_default=True, help="How often one user's same query counts."
)
@click.option("--k-anonymity", "k", type=COUNT, default=5, show_default=True, help="Users that a query needs.")
@click.option(
    "--epsilon", type=click.FloatRange(0, min_open=True), help="Laplace noise: privacy of one click, cart or purchase."
)
def clicks(log: str, out: str, print_: bool, k: int, **flags: Any) -> None:
    """Make judgements of LOG, a search log with one search a line (JSONL), with position bias taken out.

    \b
    {"query": "red shoe", "shown": ["17", "4", "9"], "clicks": ["4"], "carts": [], "purchases": [],
     "user": "u1", "time": "2025-03-01T10:00:00"}

    All but query and shown may be missing. Where shown does not begin at position 1 its entries are
    {"id": "17", "position": 25}. "swapped": [1, 4] says that a coin drew the order of the products at these positions,
    whatever it drew.

    User ids are hashed with a secret salt while reading (ESMM_SALT, else drawn anew) and kept nowhere. E-mail
    addresses, telephone and card numbers are cut out of queries; queries of fewer users than --k-anonymity are dropped.

    Exit codes: 0 all read, 3 some lines rejected, 1 nothing written.
    """  # noqa: D301  # \b keeps click from folding the lines
    from esmm.learn.clicks import Limits, Settings, Worth, judge, store, table

    limits = Limits(flags["max_searches"], flags["max_share"], flags["max_repeats"])
    worth = Worth(flags["cart_weight"], flags["purchase_weight"], flags["min_looks"], flags["epsilon"])
    judged = judge(log, Settings(flags["model"], k, limits, worth))
    _tell(judged)
    if print_:
        table(judged, sys.stdout)
    else:
        beside = store(judged, Path(out))
        say(f"written to {out}, and how they were made to {beside}")
    if judged.faults:
        raise click.exceptions.Exit(REJECTED)


def _tell(judged: "Judged") -> None:
    told = judged.provenance
    for number, reason in judged.faults[:_SHOWN]:
        say(f"line {number}: {reason}")
    if (more := len(judged.faults) - _SHOWN) > 0:
        say(f"and {more} more lines that cannot be read")
    for why, count in told["dropped"].items():
        if count:
            say(f"dropped: {count} {'' if why.startswith('pairs') else 'searches '}{why}")
    if told["queries_scrubbed"]:
        say(f"personal data was cut out of {told['queries_scrubbed']} queries")
    say(f"users: {told['users']}")
    if told["settings"]["worth"]["epsilon"]:
        say(f"noise: {told['noise']}")
    looks = list(told["curve"]["looks"].items())[:10]
    say("chance of a look by position: " + ", ".join(f"{position}: {look:.2f}" for position, look in looks))
    say(
        f"{told['judgements']} judgements of {told['queries']} queries, from {told['lines_used']} of {told['lines']}"
        " searches"
    )
