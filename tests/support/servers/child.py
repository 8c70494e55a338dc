"""A server as a process of its own, that says its port in the first line of its output."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from threading import Event
from time import monotonic
from typing import Final

from worker.local.spawn import spawn

_PATIENCE_S: Final = 30.0
_ADDRESS: Final = re.compile(r"http://127\.0\.0\.1:\d+")
_ROOT: Final = Path(__file__).resolve().parents[3]


class Child:
    """A running server, and where it listens."""

    def __init__(self, words: Sequence[str], log: Path) -> None:
        with log.open("wb") as output:
            self.process: Popen[bytes] = spawn(
                [sys.executable, *words], death_signal=signal.SIGKILL, output=output, cwd=_ROOT
            )
        self.url = self._announced(log)

    def kill(self) -> None:
        """It is gone when this returns."""
        self.process.kill()
        self.process.wait(_PATIENCE_S)

    def _announced(self, log: Path) -> str:
        deadline, pause = monotonic() + _PATIENCE_S, Event()
        while (found := _ADDRESS.search(log.read_text())) is None:
            assert self.process.poll() is None, log.read_text()
            assert monotonic() < deadline, f"it does not say where it listens: {log.read_text()}"
            pause.wait(0.02)
        return found[0]


@contextmanager
def running(words: Sequence[str], log: Path) -> Iterator[Child]:
    """`python WORDS` while the block runs."""
    child = Child(words, log)
    try:
        yield child
    finally:
        child.kill()
