"""One run on one broker: open, publish, fail, settle, count."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import Final

from tests.chaos import checks, evidence, follow_ups, report
from tests.chaos.doors import CeleryDoor, ClientDoor
from tests.chaos.endpoints import EITHER, MAIN
from tests.chaos.events import checks as event_checks
from tests.chaos.events import stream
from tests.chaos.jobs import Job, asked
from tests.chaos.known import Known
from tests.chaos.plan import Plan
from tests.chaos.publishers import Publisher
from tests.chaos.schedule import Schedule
from tests.chaos.site import PARTITIONS, QUEUES, WEBHOOK_KEY, Kind, Site, wait_for
from tests.chaos.workload import Workload, opening
from tests.support.servers import servers

_KEPT: Final = Path(".chaos")
_READY_S: Final = 120.0
_FINISH_S: Final = 90.0
_SETTLE_S: Final = 90.0
_DELIVER_S: Final = 90.0
_PROGRESS_S: Final = 5.0
_WITHOUT_TABLES_S: Final = 20.0
_A_MOMENT: Final = timedelta(seconds=1)
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Times:
    """`since`: when the accounts and the endpoint that is told everything were there, by the database's clock."""

    failed_s: float = 0.0
    settling_s: float = 0.0
    delivering_s: float = 0.0
    since: datetime = _LONG_AGO


def run_alone(kind: Kind, plan: Plan, tell: Tell, stop: Event | None = None, keep: Path | None = None) -> report.Report:
    """A run in a directory that is gone after it. What it takes to understand one that is red is kept, under .chaos;
    with `keep`, there, whatever its colour."""
    found = None
    with servers.server_directory("chaos") as directory:
        try:
            found = run(kind, plan, directory, tell, stop)
        finally:
            if keep is not None or found is None or not found.green:
                kept = evidence.keep(directory, (keep or _KEPT / plan.seed) / kind, found)
                tell(f"timeline, logs, findings and ledger: {kept}")
    return found


def run(kind: Kind, plan: Plan, directory: Path, tell: Tell, stop: Event | None = None) -> report.Report:
    """Runs it and says what came of it. Raises nothing that the product does wrong: that is in the report.

    Setting `stop` ends the faults early; what was published until then is counted all the same.
    """
    timeline = evidence.Timeline(directory, tell)
    site = Site(kind, directory, random.Random(f"{plan.seed}/site"), timeline.note)
    with site.running():
        known = Known()

        def caught_up() -> bool:
            return _answered(site) >= known.accepted_by(datetime.now(UTC) - _A_MOMENT)

        schedule = Schedule(site, plan.seed, timeline.tell, caught_up, plan.deck)
        if _opens(site, known, schedule, timeline.tell):
            found = _run(site, known, schedule, plan, timeline.tell, stop or Event())
        else:
            found = _count(site, known, schedule, plan.seed, _Times())
        if not found.green:
            evidence.dump(site)
        return found


def _opens(site: Site, known: Known, schedule: Schedule, tell: Tell) -> bool:
    """Whether the accounts are opened: published before the tables are there, in some runs. Nothing may have been made
    of them then."""
    follow_ups.declare(site.broker.url)
    door = ClientDoor(site.broker.url)
    for job in opening(site.receiver.url):
        assert door.publish(job), "the broker answers before the first fault"
        known.accept(job)
    door.close()
    tell(f"tables: {site.postgres.tables}; clocks off by: {site.clocks}")
    if site.postgres.tables != "there":
        wait_for(lambda: len(site.consumed()) >= len(QUEUES), _WITHOUT_TABLES_S)
        site.postgres.migrate()
        tell("migrated")

    def all_answer() -> bool:
        return _answered(site) == len(known.jobs) and len(site.consumed()) >= len(QUEUES)

    ready = wait_for(all_answer, _READY_S)
    if ready:
        tell(f"up: {len(known.jobs)} accounts opened")
    else:
        schedule.find(f"not up after {_READY_S:g} s: {_answered(site)} of {len(known.jobs)} accounts are opened")
    return ready


def _answered(site: Site) -> int:
    """0 while the database cannot say."""
    return checks.answered(site.rows_if_up)


def _run(site: Site, known: Known, schedule: Schedule, plan: Plan, tell: Tell, stop: Event) -> report.Report:
    doors: Mapping[str, Callable[[], ClientDoor | CeleryDoor]] = {
        "partitions": lambda: ClientDoor(site.broker.url, PARTITIONS),
        "door": lambda: ClientDoor(site.networks["publisher/broker"][0].url),
        "celery": lambda: CeleryDoor(site.broker.url),
    }
    rate = plan.rate / len(doors)
    main, since = site.job_id(MAIN), site.rows("select clock_timestamp()")[0][0]
    publishers = [
        Publisher(Workload(name, plan.seed, site.receiver.url, main), plan.seed, rate, door, known, site.job_id)
        for name, door in doors.items()
    ]
    failures: list[BaseException] = []

    def fail() -> None:
        try:
            schedule.run(plan.seconds, stop)
        except BaseException as error:  # noqa: BLE001 - raised again by the caller
            failures.append(error)

    for publisher in publishers:
        publisher.start()
    thread = Thread(target=fail, name="faults", daemon=True)
    thread.start()
    began, settled = monotonic(), 0
    while thread.is_alive():
        thread.join(_PROGRESS_S)
        settled = max(settled, _answered(site))  # the last known, while the database is away
        faults, active = schedule.log.counts.total(), ", ".join(schedule.active) or "none"
        tell(
            f"{monotonic() - began:4.0f} s  accepted {len(known.snapshot()):6,}  settled {settled:6,}  "
            f"repeated {known.unanswered:4,}  faults {faults:3}  now: {active}"
        )
    if failures:
        raise failures[0]
    over = monotonic()
    failed_s = over - began
    found = schedule.log.findings
    for publisher in publishers:
        if not publisher.finish(_FINISH_S):
            found.append(
                f"a publisher was not told within {_FINISH_S:g} s of the last fault's end that its job is accepted"
            )
        if publisher.failure is not None:
            raise publisher.failure
    tell(f"faults over, {known.messages:,} messages accepted: settling")
    found += _settle(site, known, schedule)
    settled_at = monotonic()
    found += _deliver(site, known, schedule)
    delivered_at = monotonic()
    return _count(site, known, schedule, plan.seed, _Times(failed_s, settled_at - over, delivered_at - over, since))


def _settle(site: Site, known: Known, schedule: Schedule) -> list[str]:
    """Nothing waits, nothing is unacknowledged, every job has its answer: by itself, in time."""
    jobs = known.snapshot()

    def quiet() -> bool:
        schedule.watch()
        return _answered(site) >= len(jobs) and not site.left() and not _due(site)

    if wait_for(quiet, _SETTLE_S, every_s=1.0):
        return []
    return [
        f"after {_SETTLE_S:g} s: {_answered(site)} of {len(jobs)} jobs are settled, on the broker is left "
        f"{site.left()}, top-ups and expiries due: {_due(site)}"
    ]


def _deliver(site: Site, known: Known, schedule: Schedule) -> list[str]:
    """Every event leaves by itself, in time; to endpoints that are disabled, once they are enabled."""
    site.receiver.patient = True
    door = ClientDoor(site.broker.url)
    for [endpoint] in site.rows(
        "select cast(id as text) from webhook_endpoints where disabled is not null and not removed"
    ):
        job = Job("webhooks.enable", asked(f"enable-{endpoint}", endpoint_id=endpoint), None, EITHER)
        assert door.publish(job), "the broker answers after the last fault"
        known.accept(job)
    door.close()

    def delivered() -> bool:
        schedule.watch()
        return not event_checks.left(site.rows_if_up)

    jobs = len(known.snapshot())
    if not wait_for(lambda: _answered(site) >= jobs, _SETTLE_S):
        return ["endpoints were not enabled in the end"]
    wait_for(delivered, _DELIVER_S, every_s=0.5)  # what is not by then is a finding of the count
    return []


def _due(site: Site) -> int:
    """What the beats have still to see to."""
    found = site.rows_if_up(
        "select (select count(*) from policies where due_at <= clock_timestamp() + interval '2 seconds')"
        # What expires in a moment would do so between two of the checks.
        " + (select count(*) from grants where remaining > 0 and expires_at < clock_timestamp() + interval '1 minute')"
    )
    return int(found[0][0]) if found else 1


def _count(site: Site, known: Known, schedule: Schedule, seed: str, times: _Times) -> report.Report:
    jobs, log = known.snapshot(), schedule.log
    told = event_checks.told_events(site.rows)  # before what came is looked at
    received = event_checks.Received(site.receiver.snapshot(), stream.read(site.broker.url), times.since)
    settled, arrived = checks.settled_jobs(site.rows), follow_ups.arrived(site.broker.url)
    next_job, caught_up = report.recoveries(log.ended, jobs, settled)
    applied = sum(each.code in ("applied", "unchanged") for each in settled.values())
    return report.Report(
        broker=site.kind,
        seed=seed,
        seconds=round(times.failed_s),
        faults=dict(log.counts),
        jobs=len(jobs),
        applied=applied,
        refused=len(settled) - applied,
        parked=len(checks.letters(site.rows)),
        published_again=known.unanswered,
        duplicates=known.messages - len(jobs),
        next_job=report.Times.of(next_job),
        caught_up=report.Times.of(caught_up),
        consumed_again=report.Times.of(log.consumed_again_s),
        settling_s=round(times.settling_s, 1),
        events=report.events(told, received, site.receiver.failures(), times.delivering_s),
        follow_ups=len(arrived),
        findings=[
            *log.findings,
            *checks.findings(site.rows, jobs, arrived),
            *event_checks.findings(site.rows, told, received, WEBHOOK_KEY.encode()),
            *checks.late(log.harmless, jobs, settled),
            *checks.verify(site.postgres.primary.url),
        ],
    )
