"""A sign of life while something takes its time."""

from __future__ import annotations

import sys
from threading import Lock, Timer
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.status import Status

PATIENCE_S: Final = 2.0


class Waiting:
    """A spinner on stderr while the block runs. It appears after two seconds, and only on a terminal."""

    def __init__(self, doing: str, console: Console | None = None, after_s: float = PATIENCE_S) -> None:
        self._text = doing
        self._console = console
        self._lock = Lock()
        self._over = False
        self._status: Status | None = None
        self._timer = Timer(after_s, self._appear)
        self._timer.daemon = True

    def say(self, doing: str) -> None:
        """Shows another text from now on."""
        with self._lock:
            self._text = doing
            if self._status is not None:
                self._status.update(doing)

    def __enter__(self) -> Self:
        if self._console is not None or sys.stderr.isatty():
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._over = True
            if self._status is not None:
                self._status.stop()

    def _appear(self) -> None:
        with self._lock:
            if not self._over:
                self._status = (self._console or Console(stderr=True)).status(self._text)
                self._status.start()
