"""All checks in their order: what the others need comes first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from celery import Celery

from worker.doctor.beat import examine_beat, waiting_in
from worker.doctor.brokers.broker import examine_broker
from worker.doctor.charging import examine_charging
from worker.doctor.database import examine_database
from worker.doctor.events import examine_events
from worker.doctor.finding import Finding, Level
from worker.doctor.flower import examine_reading
from worker.doctor.results import examine_results
from worker.doctor.steps import examined
from worker.doctor.workers import ask, examine_workers
from worker.settings.settings import Settings

_WAYS: Final = frozenset({"broker", "broker.reachable", "broker.publishing", "broker.server", "broker.writable"})
"""What has to be well for workers to be asked."""
_LEDGER: Final = frozenset({"database", "database.reachable", "database.migrations", "database.privileges"})
"""What has to be well for tables to be read."""


def examine(app: Celery, settings: Settings, wait_s: float) -> Iterator[Finding]:
    """Every finding, as it is made. Changes nothing; workers have `wait_s` seconds to answer."""
    failed = set()
    for finding in examined(
        ("broker", lambda: examine_broker(app, settings)), ("database", lambda: examine_database(settings))
    ):
        if finding.level is Level.FAILURE:
            failed.add(finding.check)
        yield finding
    if not failed & _LEDGER:
        yield from examined(
            ("charging", lambda: examine_charging(settings)),
            ("events", lambda: examine_events(settings)),
            ("flower.reading", lambda: examine_reading(settings)),
        )
    yield from examined(("results.reachable", lambda: examine_results(settings)))
    if not failed & _WAYS:  # workers are asked through the broker
        yield from examined(("workers", lambda: _examine_running(app, settings, wait_s)))


def _examine_running(app: Celery, settings: Settings, wait_s: float) -> Iterator[Finding]:
    reports = ask(app, settings, wait_s)
    yield from examined(
        ("workers", lambda: examine_workers(reports, settings)),
        ("beat.alive", lambda: examine_beat(reports, settings, lambda: waiting_in(app, settings.tick_queue))),
    )
