"""One run on one broker: open, publish, fail, settle, count."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import Final

from tests.chaos import checks, report
from tests.chaos.known import Known
from tests.chaos.publishers import CeleryDoor, ClientDoor, Publisher
from tests.chaos.schedule import Schedule
from tests.chaos.site import LANES, Kind, Site, wait_for
from tests.chaos.workload import PRODUCER, opening

_READY_S: Final = 120.0
_FINISH_S: Final = 90.0
_SETTLE_S: Final = 90.0
_PROGRESS_S: Final = 5.0
Tell = Callable[[str], None]


def run(
    kind: Kind, seconds: float, seed: str, rate: float, directory: Path, tell: Tell, stop: Event | None = None
) -> report.Report:
    """Runs it and says what came of it. Raises nothing that the product does wrong: that is in the report.

    `rate`: jobs a second, of all publishers together. Setting `stop` ends the faults early; what was published until
    then is counted all the same.
    """
    with Site(kind, directory, random.Random(f"{seed}/site")).running() as site:
        known = Known()
        _open(site, known, tell)
        return _run(site, known, seconds, seed, rate, tell, stop or Event())


def _open(site: Site, known: Known, tell: Tell) -> None:
    door = ClientDoor(site.broker.url)
    for job in opening():
        assert door.publish(job), "the broker answers before the first fault"
        known.accept(job)
    door.close()
    ready = wait_for(lambda: _settled(site) == len(known.jobs) and len(site.consumed()) >= len(_money(site)), _READY_S)
    assert ready, f"the system is not up: {[child.said() for child in site.children.values()]}"
    tell(
        f"up: {len(known.jobs)} accounts opened; clock of money-2 off by {site.clock_s} s, of beat-2 by {-site.clock_s}"
    )


def _money(site: Site) -> list[str]:
    return [child.name for child in site.money_workers]


def _settled(site: Site) -> int:
    found = site.rows_if_up("select count(*) from jobs where producer = :producer", producer=PRODUCER)
    return int(found[0][0]) if found else 0


def _run(site: Site, known: Known, seconds: float, seed: str, rate: float, tell: Tell, stop: Event) -> report.Report:
    doors: Mapping[str, Callable[[], ClientDoor | CeleryDoor]] = {
        "lanes": lambda: ClientDoor(site.broker.url, LANES),
        "door": lambda: ClientDoor(site.networks["publisher/broker"].url),
        "celery": lambda: CeleryDoor(site.broker.url),
    }
    publishers = [Publisher(name, seed, rate / len(doors), door, known, site.job_id) for name, door in doors.items()]
    schedule = Schedule(site, seed, tell)
    failures: list[BaseException] = []

    def fail() -> None:
        try:
            schedule.run(seconds, stop)
        except BaseException as error:  # noqa: BLE001 - raised again by the caller
            failures.append(error)

    for publisher in publishers:
        publisher.start()
    thread = Thread(target=fail, name="faults", daemon=True)
    thread.start()
    began, settled = monotonic(), 0
    while thread.is_alive():
        thread.join(_PROGRESS_S)
        settled = max(settled, _settled(site))  # the last known, while the database is away
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
    settling_s = monotonic() - over
    return _count(site, known, schedule, seed, failed_s, settling_s)


def _settle(site: Site, known: Known, schedule: Schedule) -> list[str]:
    """Nothing waits, nothing is unacknowledged, every job has its answer: by itself, in time."""
    jobs = known.snapshot()

    def quiet() -> bool:
        schedule.watch()
        return _settled(site) >= len(jobs) and not site.left() and not _due(site)

    if wait_for(quiet, _SETTLE_S, every_s=1.0):
        return []
    said = "\n".join(f"--- {child.name}\n{child.said()}" for child in site.children.values())
    return [
        f"after {_SETTLE_S:g} s: {_settled(site)} of {len(jobs)} jobs are settled, on the broker is left "
        f"{site.left()}, top-ups and expiries due: {_due(site)}\n{said}"
    ]


def _due(site: Site) -> int:
    """What the beats have still to see to."""
    found = site.rows_if_up(
        "select (select count(*) from wallets where due_at <= clock_timestamp() + interval '2 seconds')"
        # What expires in a moment would do so between two of the checks.
        " + (select count(*) from grants where remaining > 0 and expires_at < clock_timestamp() + interval '1 minute')"
    )
    return int(found[0][0]) if found else 1


def _count(site: Site, known: Known, schedule: Schedule, seed: str, seconds: float, settling_s: float) -> report.Report:
    jobs, log = known.snapshot(), schedule.log
    settled = checks.settled_jobs(site.rows)
    next_job, caught_up = report.recoveries(log.ended, jobs, settled)
    applied = sum(each.code in ("applied", "unchanged") for each in settled.values())
    return report.Report(
        broker=site.kind,
        seed=seed,
        seconds=round(seconds),
        faults=dict(log.counts),
        jobs=len(jobs),
        applied=applied,
        refused=len(settled) - applied,
        published_again=known.unanswered,
        duplicates=known.messages - len(jobs),
        next_job=report.Times.of(next_job),
        caught_up=report.Times.of(caught_up),
        consumed_again=report.Times.of(log.consumed_again_s),
        settling_s=round(settling_s, 1),
        findings=[*log.findings, *checks.findings(site.rows, jobs), *checks.verify(site.postgres.url)],
    )
