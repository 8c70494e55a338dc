"""How far a long command has come."""

from __future__ import annotations

import sys
from time import monotonic
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from worker.cli.terminal.waiting import PATIENCE_S


class _Rate(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:,.0f}/s")


class Advance:
    """A bar on stderr while the block runs. It appears after two seconds, and only on a terminal. Without a total it
    says how much is done."""

    def __init__(
        self, doing: str, total: int | None, console: Console | None = None, after_s: float = PATIENCE_S
    ) -> None:
        self._doing, self._total, self._console = doing, total, console
        self._begins = monotonic() + after_s
        self._shown = console is not None or sys.stderr.isatty()
        self._done = 0
        self._bar: Progress | None = None

    def by(self, count: int) -> None:
        """So much more is done."""
        self.to(self._done + count)

    def to(self, done: int, doing: str | None = None) -> None:
        """So much is done. `doing`: what is done from now on, when it is something else."""
        self._done, self._doing = done, doing or self._doing
        if self._bar is None and self._shown and monotonic() >= self._begins:
            self._bar = self._appear()
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self._done, description=self._doing)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _appear(self) -> Progress:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
        bar = Progress(*columns, console=self._console or Console(stderr=True))
        bar.add_task(self._doing, total=self._total)
        bar.start()
        return bar
