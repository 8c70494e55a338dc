"""Celery in a process whose clock is off: `python -m tests.chaos.shifted SECONDS worker --pool solo ...`

SECONDS may be two, FIRST/THEN: on SIGUSR1 the clock is set, and is THEN off.

Python's wall clocks are moved, for all code of the process: `time.time`, and `datetime.now` with its relatives. The
monotonic clock, which a wrong date does not move either, stays. This must come before anything that asks the time.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import runpy
import signal
import sys
import time
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from tests.support.servers.forks import STACKS

_TIME: Final = time.time
_TIME_NS: Final = time.time_ns


def _now(cls: type[datetime], tz: tzinfo | None = None) -> datetime:
    return cls.fromtimestamp(time.time(), tz)


def _utcnow(cls: type[datetime]) -> datetime:
    return cls.fromtimestamp(time.time(), UTC).replace(tzinfo=None)


def shift(seconds: int) -> None:
    """Moves the clock of this process."""
    time.time = lambda: _TIME() + seconds
    time.time_ns = lambda: _TIME_NS() + seconds * 1_000_000_000
    # In the class itself: a subclass in its place would be another type to whatever serializes it.
    members: dict[str, Any] = gc.get_referents(datetime.__dict__)[0]
    members.update(now=classmethod(_now), today=classmethod(_now), utcnow=classmethod(_utcnow))
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime))


if __name__ == "__main__":
    faulthandler.register(STACKS)
    first, _, then = sys.argv[1].partition("/")
    shift(int(first))
    if then:
        signal.signal(signal.SIGUSR1, lambda *_: shift(int(then)))
    sys.argv = ["celery", "-A", "worker.app", *sys.argv[2:]]
    runpy.run_module("celery", run_name="__main__")
