"""The public names: each resolves, is what its module defines, and is known to type checkers."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

import esmm


@pytest.mark.parametrize("name", esmm.__all__)
def test_each_public_name_resolves(name: str) -> None:
    assert getattr(esmm, name).__module__.startswith("esmm.")
    assert name in dir(esmm)


def test_what_type_checkers_see_is_what_is_loaded() -> None:
    tree = ast.parse(Path(esmm.__file__).read_text("utf-8"))
    seen = {
        alias.asname or alias.name: getattr(import_module(str(node.module)), alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("esmm.")
        for alias in node.names
    }
    assert seen == {name: getattr(esmm, name) for name in esmm.__all__}


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match="'esmm' has no attribute 'nothing'"):
        esmm.nothing  # noqa: B018
