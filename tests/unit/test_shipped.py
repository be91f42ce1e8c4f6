"""Where shipped data is looked for."""

from pathlib import Path

import pytest

import esmm
from esmm.errors import EsmmError
from esmm.shipped import shipped

CHECKOUT = Path(esmm.__file__).parents[1]


def test_the_environment_counts_more_than_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ESMM_DIR", raising=False)
    assert shipped("mappings/index.json.j2") == CHECKOUT / "mappings/index.json.j2"
    own = tmp_path / "mappings" / "index.json.j2"
    own.parent.mkdir()
    own.write_text("{}")
    monkeypatch.setenv("ESMM_DIR", str(tmp_path))
    assert shipped("mappings/index.json.j2") == own


def test_a_folder_of_ones_own_may_hold_only_what_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESMM_DIR", str(tmp_path))
    assert shipped("ingest/sample/products.jsonl").is_relative_to(CHECKOUT)


def test_what_is_missing() -> None:
    with pytest.raises(EsmmError, match=r"^mappings/none\.j2 is missing") as caught:
        shipped("mappings/none.j2")
    assert "--dir" in caught.value.hint
