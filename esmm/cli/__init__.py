"""The command line: parse, call one function, print. Every error of the library is shown here, once."""

import os
import sys
import traceback

import click

from esmm import __version__
from esmm.cli.align import align
from esmm.cli.calibrate import calibrate
from esmm.cli.clicks import clicks
from esmm.cli.compress import compress
from esmm.cli.console import console
from esmm.cli.demo import demo
from esmm.cli.doctor import doctor
from esmm.cli.embed import embed
from esmm.cli.enrich import enrich
from esmm.cli.evaluate import evaluate
from esmm.cli.fusion import fusion
from esmm.cli.ingest import ingest
from esmm.cli.init import init
from esmm.cli.node import down, status, up
from esmm.cli.parts import parts
from esmm.cli.rollback import rollback
from esmm.cli.search import search
from esmm.cli.template import template
from esmm.cli.tune import tune
from esmm.cli.upgrade import upgrade
from esmm.errors import EsmmError

FATAL, INTERRUPTED = 1, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="esmm")
@click.option("--dir", "folder", help="A folder whose mappings/ and ingest/ replace those shipped [ESMM_DIR].")
@click.option("--debug", is_flag=True, expose_value=False, help="Show the trace of an error.")
def cli(folder: str | None) -> None:
    """Upgrade an existing Elasticsearch keyword search to multi-modal hybrid search.

    \b
    esmm demo                      see it work on a sample catalogue
    esmm init catalog.jsonl        write a recipe for your own
    esmm ingest catalog.jsonl      load it, with text and photo vectors
    esmm search "navy blue shirt"  search it

    Exit codes: 0 all well, 1 fatal, 2 wrong usage, 3 some lines rejected, 4 quality fell, 130 interrupted.
    """  # noqa: D301  # \b keeps click from folding the lines
    if folder:
        os.environ["ESMM_DIR"] = folder


_loading, _searching = (
    (init, ingest, enrich, align, compress, demo, doctor, rollback),
    (search, upgrade, calibrate, embed),
)
for _command in (*_loading, parts, *_searching, clicks, tune, evaluate, fusion, console, template, up, down, status):
    cli.add_command(_command)


def main() -> None:
    """Run the command line; turn every error into a sentence, a hint and an exit code."""
    try:
        # --debug may stand anywhere: it is added to the command that just failed, at its end.
        sys.exit(cli([part for part in sys.argv[1:] if part != "--debug"], standalone_mode=False) or 0)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt) as stop:
        click.echo(str(stop.__cause__ or stop) or "interrupted", err=True)  # click wraps what was raised
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.exit(0)
    except Exception as error:  # the one place where errors end
        _show(error)
        sys.exit(FATAL)


def _show(error: Exception) -> None:
    if "--debug" in sys.argv:
        traceback.print_exception(error)
    elif isinstance(error, EsmmError):
        click.echo(f"esmm: {error}", err=True)
    else:
        first = (str(error).strip().splitlines() or [""])[0]
        click.echo(
            f"esmm: unexpected {type(error).__name__}: {first}\n  hint: this is a fault of esmm; "
            "run it again with --debug and report what it prints",
            err=True,
        )
