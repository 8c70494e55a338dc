"""All checks in their order: what the others need comes first."""

from __future__ import annotations

from collections.abc import Iterator

from celery import Celery

from worker.checks.beat import examine_beat, waiting_in
from worker.checks.broker import examine_broker
from worker.checks.database import examine_database
from worker.checks.finding import Finding, Level
from worker.checks.results import examine_results
from worker.checks.workers import ask, examine_workers
from worker.settings import Settings


def examine(app: Celery, settings: Settings, wait_s: float) -> Iterator[Finding]:
    """Every finding, as it is made. Changes nothing; workers have `wait_s` seconds to answer."""
    failed = set()
    for finding in examine_broker(app, settings):
        if finding.level is Level.FAILURE:
            failed.add(finding.check)
        yield finding
    yield from examine_database(settings)
    yield examine_results(settings)
    if not failed & {"broker.reachable", "broker.publishing"}:  # workers are asked through the broker
        reports = ask(app, settings, wait_s)
        yield from examine_workers(reports, settings)
        yield from examine_beat(reports, settings, lambda: waiting_in(app, settings.io_queue))
