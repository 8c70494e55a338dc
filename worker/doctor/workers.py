"""The workers that answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

from celery import Celery

from worker.clock import now
from worker.control.report import REPORT
from worker.doctor.clocks import clock
from worker.doctor.finding import Finding, failure, ok, warning
from worker.doctor.steps import examined
from worker.encoding.places import broker_places, database_place
from worker.observability.readiness import take_again
from worker.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class Report:
    """A worker's `balance_report`, and when it arrived (seconds since 1970)."""

    worker: str
    told: dict[str, Any]
    at: float

    def serves(self, queue: str) -> bool:
        return queue in self.told["queues"]

    def leaves_out(self, queue: str) -> bool:
        """Whether it was started for this queue and told to take nothing from it. Earlier versions do not say."""
        return queue in self.told.get("left_out", ())


def ask(app: Celery, settings: Settings, wait_s: float) -> list[Report]:
    """What the workers of these queues answer within `wait_s` seconds."""
    reports: list[Report] = []

    def receive(answer: dict[str, Any]) -> None:
        at = now().timestamp()
        reports.extend(Report(worker, told, at) for worker, told in answer.items() if "queues" in told)

    app.control.broadcast(REPORT, reply=True, timeout=wait_s, callback=receive)
    ours = (settings.queue, settings.tick_queue)
    shard = None if settings.shard is None else str(settings.shard)  # earlier versions do not say: they have none
    mine = [each for each in reports if each.told.get("shard") == shard]
    mine = [each for each in mine if each.told["queue"] in ours or each.told["io_queue"] in ours]
    return sorted(mine, key=lambda each: each.worker)


def examine_workers(reports: list[Report], settings: Settings) -> Iterator[Finding]:
    for queue in (settings.queue, *settings.partition_queues, settings.tick_queue):
        yield _served(queue, reports)
    for report in reports:
        yield from examined((f"worker.{report.worker}", partial(_examine_worker, report, settings)))


def _examine_worker(report: Report, settings: Settings) -> Iterator[Finding]:
    yield _ready(report)
    yield _alike(report, settings)
    yield from placed(report, settings)
    yield from _unacknowledged(report)
    yield clock(f"worker.clock.{report.worker}", report.worker, report.told["now"], report.at, uncertain_s=1.0)


def _served(queue: str, reports: list[Report]) -> Finding:
    names = [each.worker for each in reports if each.serves(queue)]
    check = f"workers.{queue}"
    if names:
        return ok(check, ", ".join(names))
    if idle := [each.worker for each in reports if each.leaves_out(queue)]:
        return failure(
            check, f"{', '.join(idle)} is there, and takes nothing from it",
            "What is in this queue waits; nothing is lost.", take_again(queue, idle[0]),
        )  # fmt: skip
    if unable := [each.worker for each in reports if queue in each.told.get("unusable", {})]:
        return failure(
            check, f"{', '.join(unable)} cannot use it", "What is in this queue waits; nothing is lost.",
            f"see broker.queue.{queue}: they go on by themselves when it is mended",
        )  # fmt: skip
    return failure(
        check, "no worker answers", "What is in this queue waits; nothing is lost.",
        f"start one: celery -A worker.app worker -Q {queue} … (docs/operations.md). If one runs, its log says what it "
        "waits for (`broker.waiting`); or give it time: --wait 10",
    )  # fmt: skip


def _unacknowledged(report: Report) -> Iterator[Finding]:
    if count := report.told.get("settled_unacknowledged"):  # earlier versions do not say
        yield warning(
            f"worker.unacknowledged.{report.worker}", f"{count} jobs settled and not acknowledged yet",
            "What follows them is being sent, or the broker did not hear of them. They take up room in the worker, and "
            "are answered alike if they come again.",
            "ask again in a few seconds; if the number stays, look at the worker's log for follow_ups.waiting",
        )  # fmt: skip


def _ready(report: Report) -> Finding:
    """As `balance-worker ready` says on its machine. Earlier versions do not say."""
    check, troubles = f"worker.ready.{report.worker}", report.told.get("troubles", [])
    if not troubles:
        return ok(check, f"takes from {', '.join(report.told['queues'])}")
    found, action = ("; ".join(each[name] for each in troubles) for name in ("what", "next"))
    if all(each["kind"] in ("queues", "unusable") for each in troubles):
        return warning(check, found, "What is in these queues waits for other workers.", action)
    return failure(check, found, "Jobs are held, unacknowledged, until it is mended; then they go on.", action)


def placed(report: Report, settings: Settings) -> Iterator[Finding]:
    """Which broker and which database it is on. Earlier versions do not say."""
    if "broker" not in report.told:
        return
    check, differing = f"worker.place.{report.worker}", []
    ours = {"broker": broker_places(settings.broker_url), "database": [database_place(settings.database_url)]}
    for kind, places in ours.items():
        if report.told[kind] not in places:
            differing.append(f"{kind} {report.told[kind]}, here {' or '.join(places)}")
    if differing:
        yield warning(
            check, "; ".join(differing),
            "What this command finds about a broker or a database says nothing of this worker's, unless they are the "
            "same under two names.",
            "give all processes the same BALANCE_*, and this command too",
        )  # fmt: skip
    else:
        servers = (f"{kind} {report.told[kind]} ({report.told[f'{kind}_server']})" for kind in ours)
        yield ok(check, ", ".join(servers))


def _alike(report: Report, settings: Settings) -> Finding:
    transport = settings.redis_transport if settings.broker_kind == "redis" else "amqp"
    wanted = {"version": version("balance-worker"), "transport": transport, "partitions": settings.partitions}
    if settings.broker_kind == "redis":
        wanted["visibility_timeout_s"] = settings.visibility_timeout_s
    if report.serves(settings.queue) and not report.serves(settings.tick_queue):
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
        "of all counts, and partitions that differ break the order of an account.",
        "give all processes the same BALANCE_*, and this command too; finish an upgrade",
    )  # fmt: skip
