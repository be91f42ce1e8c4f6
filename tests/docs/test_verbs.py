"""Every verb of the command line has help, and the README names it."""

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from esmm.cli import cli

README = Path(__file__).parents[2] / "README.md"
VERBS = sorted(cli.commands)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_and_each_of_its_options_have_help(verb: str) -> None:
    command = cli.commands[verb]
    assert command.help
    assert command.get_short_help_str().endswith((".", "...")), "the first line stands alone in the list of verbs"
    shown = CliRunner().invoke(cli, [verb, "--help"])
    assert shown.exit_code == 0
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{option.opts[0]} has no help"
            assert option.opts[-1].split("/")[0] in shown.output


def test_the_list_of_verbs_is_shown() -> None:
    shown = CliRunner().invoke(cli, ["--help"]).output
    assert all(f"\n  {verb} " in shown for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_the_readme_names_each_verb(verb: str) -> None:
    assert re.search(rf"\b(esmm|make) {verb}\b", README.read_text("utf-8"))
