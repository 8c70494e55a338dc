"""What beat starts, and the tasks it starts. A tick only says "look": late, twice or on two beats does no harm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import structlog
from celery.schedules import schedule

from tasks.apply.retries import Interrupted
from tasks.auto_topup import scan as autotopup
from tasks.scheduled import expiry
from tasks.scheduled import prune as housekeeping
from worker.anchors.tick import anchor_tick
from worker.beat.pace import Pace
from worker.celery_app import App
from worker.clock import LONG_AGO, steady
from worker.control.report import ticked
from worker.runtime import Runtime
from worker.settings.settings import Settings

_LOG: Final = structlog.get_logger(__name__)


def _scan_top_ups(runtime: Runtime) -> int:
    return autotopup.scan(runtime.applier, runtime.settings.sweep_limit)


def _ask_for_charges(runtime: Runtime) -> int:
    return runtime.asker.ask_due()


def _expire_credits(runtime: Runtime) -> int:
    settings = runtime.settings
    return expiry.expire(runtime.applier, settings.sweep_limit, timedelta(seconds=settings.expiry_notice_s))


def _prune_jobs(runtime: Runtime) -> int:
    settings = runtime.settings
    return housekeeping.prune(runtime.applier, settings.prune_after_days, settings.sweep_limit) + (
        housekeeping.prune_deliveries(runtime.applier, settings.webhook_keep_days, settings.sweep_limit)
    )


def _anchor_ledger(runtime: Runtime) -> int:
    return anchor_tick(runtime.engine, runtime.settings)


@dataclass(frozen=True, slots=True)
class _Tick:
    look: Callable[[Runtime], int]  # returns how much was found
    every_s: Callable[[Settings], float]
    pace: Pace = field(default_factory=Pace)


TICKS: Final[dict[str, _Tick]] = {
    "autotopup.scan": _Tick(_scan_top_ups, lambda settings: settings.topup_scan_every_s),
    # Twice as often: what a scan decides is asked for before the next one.
    "charges.ask": _Tick(_ask_for_charges, lambda settings: settings.topup_scan_every_s / 2),
    "credits.expire": _Tick(_expire_credits, lambda settings: settings.expire_every_s),
    "jobs.prune": _Tick(_prune_jobs, lambda settings: settings.prune_every_s),
    "ledger.anchor": _Tick(_anchor_ledger, lambda settings: settings.anchor_every_s),
}


def register_ticks(app: App) -> None:
    """Makes the scheduled tasks known to the app."""
    for name, tick in TICKS.items():
        app.task(name=name, ignore_result=True, acks_late=False, typing=True)(_task(app, name, tick))


def _task(app: App, name: str, tick: _Tick) -> Callable[[], int]:
    def run() -> int:
        runtime = app.runtime
        with tick.pace.turn(tick.every_s(runtime.settings)) as mine:
            return _run(runtime, name, tick) if mine else 0

    run.__doc__ = f"{name}: see docs/operations.md."
    return run


def _run(runtime: Runtime, name: str, tick: _Tick) -> int:
    ticked(name)
    try:
        done = tick.look(runtime)
    except Interrupted:
        return 0  # the next tick, wherever it runs, finds the same rows
    if done:
        _LOG.info("tick.done", tick=name, count=done)
    return done


def periods(settings: Settings) -> dict[str, float]:
    """How often each tick is sent, in seconds."""
    found = {name: tick.every_s(settings) for name, tick in TICKS.items()}
    if settings.anchor_to is None:
        del found["ledger.anchor"]
    return found


def beat_schedule(settings: Settings) -> dict[str, Any]:
    """What beat sends: each at once when beat starts, and then by a clock that nobody sets.

    Ticks carry no `expires`: it would be compared with another machine's clock. What is stale is told by the pace.
    """
    return {
        name: {
            "task": name,
            "schedule": schedule(seconds, nowfun=steady),
            "options": {"queue": settings.tick_queue},
            "last_run_at": LONG_AGO,
        }
        for name, seconds in periods(settings).items()
    }
