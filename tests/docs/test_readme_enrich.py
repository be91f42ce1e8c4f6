"""The commands of the README's section on enriching run, in their order, on an index that a shop made."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import shop
from elasticsearch import Elasticsearch, helpers
from shell import ROOT, start

SECTION = re.compile(r"## Enrich an index that serves traffic\n.*?```sh\n(.*?)```", re.DOTALL)


@pytest.mark.usefixtures("painless")
def test_the_commands_run(
    client: Elasticsearch,
    alias: str,
    recipe_text: str,
    server_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ELASTICSEARCH_URL", server_url)
    (tmp_path / "esmm.toml").write_text(recipe_text, encoding="utf-8")
    shop.write_photos(tmp_path, 12)
    helpers.bulk(client, [{"_index": alias, "_id": p.pop("id"), "_source": p} for p in shop.products(12)], refresh=True)
    found = SECTION.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert found
    lines = found[1].splitlines()
    assert len(lines) == 6
    for line in lines:
        program, *arguments = shlex.split(line, comments=True)
        assert program == "esmm"
        arguments = [alias if word == "products" else word for word in arguments]
        process = start(*arguments, folder=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, (line, out, err)
