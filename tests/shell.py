"""What a command line left behind, and the real program started."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)

    def fatal(self, sentence: str, hint: str) -> None:
        """It failed by one sentence and one hint, and without a trace."""
        assert self.code == 1, self
        assert self.err.startswith("esmm: ") or "\nesmm: " in self.err, self.err
        assert sentence in self.err, self.err
        assert "hint: " in self.err, self.err
        assert hint in self.err.partition("hint: ")[2], self.err
        assert "Traceback" not in self.err + self.out
        assert "unexpected" not in self.err


Esmm = Callable[..., Outcome]
State = Callable[[], dict[str, int]]


def start(
    *args: object, folder: Path, limits: Callable[[], None] | None = None, **options: Any
) -> "subprocess.Popen[bytes]":
    """Start the real program in a folder; `limits` are set in its process before it begins."""

    def before() -> None:
        # A shell that runs the tests in the background lets them ignore Ctrl-C, and a child inherits that.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if limits:
            limits()

    command = [sys.executable, "-m", "esmm", *map(str, args)]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=folder, env=env, preexec_fn=before, **options)  # noqa: PLW1509  # it takes no lock
