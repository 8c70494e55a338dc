"""How often a tick is run by one worker, whatever comes in: beats may be two, and after an outage hundreds wait.

No clock of another machine has a say in it, so that a wrong one costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from time import monotonic
from typing import Final

_PAUSE_MAX_S: Final = 5.0  # so that a tick that somebody sends by hand is run, also the one that comes once an hour


class Pace:
    """Of one tick, for all threads of the process."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._running = Lock()
        self._began = -math.inf

    @contextmanager
    def turn(self, every_s: float) -> Iterator[bool]:
        """Whether to run it now: it does not run already, and has not just begun. The block is its run."""
        if not self._running.acquire(blocking=False):
            yield False
            return
        try:
            at = self._clock()
            # Half: one that comes a little early is not one too many.
            mine = at - self._began >= min(every_s / 2, _PAUSE_MAX_S)
            if mine:
                self._began = at
            yield mine
        finally:
            self._running.release()
