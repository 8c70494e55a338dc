"""What beat starts, and the tasks it starts. A tick only says "look": late, twice or on two beats does no harm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import structlog
from celery import Celery

from tasks import autotopup, expiry, housekeeping
from tasks.settling import Interrupted
from worker.report import ticked
from worker.runtime import RUNTIME
from worker.settings import Settings

_LOG: Final = structlog.get_logger(__name__)


def _scan_top_ups() -> int:
    return autotopup.scan(RUNTIME.settler, RUNTIME.settings.sweep_limit)


def _expire_credits() -> int:
    return expiry.expire(RUNTIME.settler, RUNTIME.settings.sweep_limit)


def _prune_jobs() -> int:
    settings = RUNTIME.settings
    return housekeeping.prune(RUNTIME.settler, settings.prune_after_days, settings.sweep_limit)


_TICKS: Final[dict[str, Callable[[], int]]] = {
    "autotopup.scan": _scan_top_ups,
    "credits.expire": _expire_credits,
    "jobs.prune": _prune_jobs,
}


def register_ticks(app: Celery) -> None:
    """Makes the scheduled tasks known to the app."""
    for name, action in _TICKS.items():
        app.task(name=name, ignore_result=True, acks_late=False, typing=True)(_tick(name, action))


def _tick(name: str, action: Callable[[], int]) -> Callable[[], int]:
    def tick() -> int:
        ticked(name)
        try:
            done = action()
        except Interrupted:
            return 0  # the next tick, wherever it runs, finds the same rows
        if done:
            _LOG.info("tick.done", tick=name, count=done)
        return done

    tick.__doc__ = f"{name}: see docs/operations.md."
    return tick


def beat_schedule(settings: Settings) -> dict[str, Any]:
    """A tick that nobody ran by the time of the next one is dropped: the next one looks for the same rows."""
    every = {
        "autotopup.scan": settings.topup_scan_every_s,
        "credits.expire": settings.expire_every_s,
        "jobs.prune": settings.prune_every_s,
    }
    return {
        name: {"task": name, "schedule": seconds, "options": {"queue": settings.io_queue, "expires": max(1.0, seconds)}}
        for name, seconds in every.items()
    }
