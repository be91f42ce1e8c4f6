"""Settings and command of the kinds of home, and the nodes that cannot start."""

from pathlib import Path

import pytest

from esmm.errors import NodeError
from esmm.node import launch
from esmm.node.launch import Plan
from esmm.paths import is_root


def plan(folder: Path, *parts: str) -> Plan:
    for part in parts:
        (folder / "home" / part).mkdir(parents=True)
    return Plan(folder / "home", "9.4.3", folder / "data", 9211)


def test_settings_name_only_what_the_modules_know(tmp_path: Path) -> None:
    bare = launch.settings(plan(tmp_path, "modules"))
    assert not [name for name in bare if name.startswith("xpack")]
    full = launch.settings(plan(tmp_path, "modules/x-pack-core", "modules/x-pack-ml"))
    assert full == bare | {"xpack.security.enabled": False, "xpack.ml.enabled": False}
    assert full["http.host"] == full["transport.host"] == "127.0.0.1"


def test_each_kind_of_home_has_its_start(tmp_path: Path) -> None:
    java = tmp_path / "java"
    old = plan(tmp_path, "lib/cli-launcher")
    assert launch.command(old, java)[-1] == "org.elasticsearch.launcher.CliToolLauncher"
    new = plan(tmp_path, "lib/tools/server-launcher")
    assert launch.command(new, java)[-1] == "org.elasticsearch.server.launcher.ServerLauncher"
    official = plan(tmp_path, "bin")
    (tmp_path / "home/bin/elasticsearch").touch()
    assert launch.command(official, java) == [str(tmp_path / "home/bin/elasticsearch")]


def test_home_that_starts_nothing(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match="holds nothing that starts"):
        launch.command(plan(tmp_path, "lib"), tmp_path)


def test_the_node_inherits_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELASTICSEARCH_API_KEY", "hidden")
    monkeypatch.setenv("ESMM_HEAP", "512m")
    monkeypatch.setenv("ES_JAVA_OPTS", "-XX:+UseSerialGC")
    given = launch.environment(plan(tmp_path), tmp_path)
    assert "hidden" not in given.values()
    assert given["ES_JAVA_OPTS"] == "-Xms512m -Xmx512m -XX:+UseSerialGC"
    monkeypatch.delenv("ES_JAVA_OPTS")
    assert launch.environment(plan(tmp_path), tmp_path)["ES_JAVA_OPTS"] == "-Xms512m -Xmx512m"


@pytest.mark.skipif(not is_root(), reason="only root starts Elasticsearch as another user")
def test_folder_that_the_other_user_cannot_enter(tmp_path: Path) -> None:
    from esmm.node.process import account

    closed = tmp_path / "private"
    closed.mkdir(mode=0o700)
    where = plan(closed, "lib", "config")
    with pytest.raises(NodeError, match="cannot be reached or written by nobody"):
        launch._prepare(where, account(), tmp_path)


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("Invalid maximum heap size: -Xmxnonsense", "ESMM_HEAP"),
        ("java.lang.IllegalStateException: failed to obtain node locks", "another node"),
        ("java.net.BindException: Address already in use", "start again"),
        ("cannot downgrade a node from version [9.5.3] to version [9.4.3]", "newer"),
    ],
)
def test_crash_shows_the_log_and_the_remedy(tmp_path: Path, line: str, remedy: str) -> None:
    where = plan(tmp_path)
    where.log.parent.mkdir(parents=True)
    where.log.write_text(f"before\n{line}\n")
    fault = launch._crashed(where)
    assert line in fault.message
    assert remedy in fault.hint
