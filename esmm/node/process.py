"""Start a program that outlives this one, recognise it again, read its log, and stop it."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from esmm.errors import NodeError
from esmm.paths import is_root

_PROC = Path("/proc")
_STAT = _PROC / "self" / "stat"  # Linux has it, macOS does not


@dataclass(frozen=True)
class Account:
    """Whom to start Elasticsearch as: numbers of user and group, None for the user who runs this."""

    name: str
    user: int | None = None
    group: int | None = None

    def options(self) -> dict[str, object]:
        """Return the arguments of ``subprocess`` that make the switch."""
        return {} if self.user is None else {"user": self.user, "group": self.group, "extra_groups": []}

    def may(self, test: str, path: Path) -> bool:
        """Say whether this account may read (r), write (w) or enter (x) ``path``, as the system sees it."""
        done = subprocess.run(["test", f"-{test}", str(path)], check=False, **self.options())  # type: ignore[call-overload]
        return bool(done.returncode == 0)

    def own(self, folder: Path) -> None:
        """Give ``folder`` and all in it to this account."""
        if self.user is None or self.group is None:
            return
        for path in (folder, *folder.rglob("*")):
            os.chown(path, self.user, self.group, follow_symlinks=False)


def account() -> Account:
    """Return whom to start Elasticsearch as: the present user, and ``nobody`` where that is root, whom it refuses."""
    if not is_root():
        return Account("the present user")
    import pwd

    try:
        found = pwd.getpwnam("nobody")
    except KeyError as fault:
        raise NodeError(
            "Elasticsearch refuses to run as root, and there is no user nobody to run it as",
            "run esmm as an ordinary user",
        ) from fault
    return Account("nobody", found.pw_uid, found.pw_gid)


def start(command: Sequence[str], environment: Mapping[str, str], log: Path, who: Account) -> int:
    """Start ``command`` in ES_HOME and a session of its own, its output in ``log``; return its process number."""
    # The shell ends at once, so the program is nobody's child here: it outlives us and leaves no zombie.
    launcher = ["sh", "-c", '"$@" >"$0" 2>&1 </dev/null & echo $!', str(log), *command]
    done = subprocess.run(  # type: ignore[call-overload]
        launcher,
        env=dict(environment),
        cwd=environment["ES_HOME"],
        stdout=subprocess.PIPE,
        start_new_session=True,
        check=True,
        **who.options(),
    )
    return int(done.stdout)


def birth(pid: int | None) -> str | None:
    """Return when process ``pid`` was started, as the system writes it; None where it does not live.

    Process numbers are used again; number and birth together are not.
    """
    if pid is None:
        return None
    if not _STAT.exists():
        shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return shown.stdout.strip() or None
    fields = _stat(_PROC / str(pid))
    return None if fields is None else fields[19]


def stop(pid: int, born: str, seconds: float = 40) -> None:
    """End process ``pid``, born at ``born``, with its group: kindly first, by force after ``seconds``."""
    if birth(pid) != born:
        return
    try:
        group = os.getpgid(pid)
        os.killpg(group, signal.SIGTERM)
    except ProcessLookupError:
        return
    except PermissionError as fault:
        raise NodeError(f"process {pid} belongs to another user", "stop it as the user who started it") from fault
    if not _gone(group, seconds):
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        _gone(group, 5)


def _gone(group: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not _lives(group):
            return True
        time.sleep(0.1)
    return False


def _lives(group: int) -> bool:
    if _STAT.exists():
        return any((fields := _stat(folder)) and int(fields[2]) == group for folder in _PROC.glob("[0-9]*"))
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _stat(folder: Path) -> list[str] | None:
    """Return the fields of a process after its name: state, parent, group, …; None for a dead one."""
    try:
        fields = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # A container's first process may never collect its dead.
    return None if fields[0] in "ZX" else fields


def tail(log: Path, lines: int = 12) -> str:
    """Return the last lines of a log, indented and without the frames of Java's traces; empty where there is none."""
    if not log.exists():
        return ""
    text = log.read_text(encoding="utf-8", errors="replace").splitlines()
    telling = [line for line in text if line.strip() and not line.startswith("\tat ")]
    return "\n".join(f"    {line[:300]}" for line in telling[-lines:])
