"""The workers that answer, and beat, of whom their ticks are the sign of life."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

from celery import Celery

from worker.checks.clocks import clock
from worker.checks.finding import Finding, failure, ok, warning
from worker.clock import now
from worker.report import REPORT
from worker.schedule import beat_schedule
from worker.settings import Settings

_BEAT_GRACE_S: Final = 5.0  # beat looks at its schedule that often at least


@dataclass(frozen=True, slots=True)
class Report:
    """A worker's `balance_report`, and when it arrived (seconds since 1970)."""

    worker: str
    told: dict[str, Any]
    at: float

    def serves(self, queue: str) -> bool:
        return queue in self.told["queues"]


def ask(app: Celery, settings: Settings, wait_s: float) -> list[Report]:
    """What the workers of these queues answer within `wait_s` seconds."""
    reports: list[Report] = []

    def receive(answer: dict[str, Any]) -> None:
        at = now().timestamp()
        reports.extend(Report(worker, told, at) for worker, told in answer.items() if "queues" in told)

    app.control.broadcast(REPORT, reply=True, timeout=wait_s, callback=receive)
    ours = (settings.queue, settings.io_queue)
    mine = [each for each in reports if each.told["queue"] in ours or each.told["io_queue"] in ours]
    return sorted(mine, key=lambda each: each.worker)


def examine_workers(reports: list[Report], settings: Settings) -> Iterator[Finding]:
    for queue in (settings.queue, *settings.lane_queues, settings.io_queue):
        yield _served(queue, reports)
    for report in reports:
        yield _alike(report, settings)
        yield from _unacknowledged(report)
        yield clock(f"worker.clock.{report.worker}", report.worker, report.told["now"], report.at, uncertain_s=1.0)
    yield _beat(reports, settings)


def _served(queue: str, reports: list[Report]) -> Finding:
    names = [each.worker for each in reports if each.serves(queue)]
    check = f"workers.{queue}"
    if names:
        return ok(check, ", ".join(names))
    return failure(
        check, "no worker answers", "What is in this queue waits; nothing is lost.",
        f"start one: celery -A worker.app worker -Q {queue} … (docs/operations.md), or give it time: --wait 10",
    )  # fmt: skip


def _unacknowledged(report: Report) -> Iterator[Finding]:
    if count := report.told["settled_unacknowledged"]:
        yield warning(
            f"worker.unacknowledged.{report.worker}", f"{count} jobs settled and not acknowledged yet",
            "What follows them is being sent, or the broker did not hear of them. They take up room in the worker, and "
            "are answered alike if they come again.",
            "ask again in a few seconds; if the number stays, look at the worker's log for follow_ups.waiting",
        )  # fmt: skip


def _alike(report: Report, settings: Settings) -> Finding:
    transport = settings.redis_transport if settings.broker_kind == "redis" else "amqp"
    wanted = {"version": version("balance-worker"), "transport": transport, "lanes": settings.lanes}
    if settings.broker_kind == "redis":
        wanted["visibility_timeout_s"] = settings.visibility_timeout_s
    if report.serves(settings.queue) and not report.serves(settings.io_queue):
        wanted["prefetch"] = settings.batch_limit
    check, differing = f"worker.{report.worker}", []
    for name, value in wanted.items():
        if report.told[name] != value:
            differing.append(f"{name} {report.told[name]}, here {value}")
    if not differing:
        return ok(check, ", ".join(f"{name} {value}" for name, value in wanted.items()))
    return warning(
        check, "; ".join(differing),
        "This worker runs with another version or other settings than this command. The shortest visibility timeout "
        "of all counts, and lanes that differ break the order of an account.",
        "give all processes the same BALANCE_*, and this command too; finish an upgrade",
    )  # fmt: skip


def _beat(reports: list[Report], settings: Settings) -> Finding:
    """By the tick that comes most often. An age is by the worker's own clock, so that clocks do not matter."""
    every = {name: float(entry["schedule"]) for name, entry in beat_schedule(settings).items()}
    name = min(every, key=lambda each: every[each])
    late = 3 * every[name] + _BEAT_GRACE_S
    serving = [each for each in reports if each.serves(settings.io_queue)]
    ages = [each.told["ticks"][name] for each in serving if name in each.told["ticks"]]
    if ages and min(ages) <= late:
        return ok("beat.alive", f"{name} {min(ages):.1f} s ago")
    if not serving:
        return failure(
            "beat.alive", f"cannot be seen: no worker of {settings.io_queue} answers",
            "Ticks are run by those workers; nothing becomes due without them either.", "start an I/O worker first",
        )  # fmt: skip
    if not ages and max(each.told["up_s"] for each in serving) <= late:
        return warning(
            "beat.alive", "no tick yet, the I/O worker has just started", "Beat may be there or not.",
            f"ask again in {late:.0f} s",
        )  # fmt: skip
    found = f"{name} {min(ages):.0f} s ago" if ages else f"no {name} seen"
    return failure(
        "beat.alive", f"{found}, expected every {every[name]:g} s",
        "Beat does not run, or its ticks do not get through: no auto top-up and no expiry is written. Jobs are not "
        "concerned, and credits that have expired cannot be spent.",
        "start it: celery -A worker.app beat",
    )  # fmt: skip
