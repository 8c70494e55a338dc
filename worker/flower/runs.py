"""What takes longer than a page may: it goes on in a thread of Flower's process, and a page tells how far it has come.

A run is kept in memory. One that Flower's end cuts short is repeated: what is done already is not met again.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from threading import Event, Lock
from typing import Final

import structlog

from worker.clock import now

_LOG: Final = structlog.get_logger(__name__)
_KEPT: Final = 50  # runs that can be looked at
STOPPED: Final = "Flower was stopped; repeat it to go on"

Steps = Callable[[], Generator[int]]
"""Does a little, and yields how many that were; it ends by itself."""


@dataclass
class Run:
    """`trouble`: why it ended early, in a sentence."""

    key: str  # of the form that asked for it
    doing: str
    operator: str
    reason: str
    total: int  # at the start; it is the most that is done
    asked_at: datetime
    done: int = 0
    began_at: datetime | None = None
    ended_at: datetime | None = None
    trouble: str | None = None


class Runs:
    """One at a time, in the order in which they were asked for; `begin` with a key that is known begins nothing."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "flower-runs")
        self._runs: dict[str, Run] = {}
        self._lock, self._stopping = Lock(), Event()

    def get(self, key: str) -> Run | None:
        return self._runs.get(key)

    def begin(self, run: Run, steps: Steps, explain: Callable[[Exception], str]) -> Run:
        """Asks for a run. `explain` says what an error means."""
        with self._lock:
            if (known := self._runs.get(run.key)) is not None:
                return known
            self._runs[run.key] = run
            over = [each.key for each in self._runs.values() if each.ended_at is not None]
            for key in over[: max(len(self._runs) - _KEPT, 0)]:
                del self._runs[key]
        working = self._thread.submit(self._work, run, steps)
        working.add_done_callback(lambda over: self._end(run, over, explain))
        return run

    def close(self) -> None:
        """Ends after the step that is being done."""
        self._stopping.set()
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _work(self, run: Run, steps: Steps) -> None:
        run.began_at = now()
        with closing(steps()) as doing:
            for count in doing:
                run.done += count
                if run.done >= run.total:
                    return
                if self._stopping.is_set():
                    run.trouble = STOPPED
                    return

    @staticmethod
    def _end(run: Run, over: Future[None], explain: Callable[[Exception], str]) -> None:
        if over.cancelled():
            run.trouble = STOPPED
        elif isinstance(error := over.exception(), Exception):
            run.trouble = explain(error)
        run.ended_at = now()
        _LOG.info(
            "flower.run_ended", doing=run.doing, operator=run.operator, reason=run.reason, done=run.done,
            total=run.total, trouble=run.trouble,
        )  # fmt: skip
