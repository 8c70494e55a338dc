"""Beat, of whom nobody can ask anything: what its ticks say of it where they come in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from celery import Celery

from worker.doctor.clocks import clock
from worker.doctor.finding import Finding, failure, ok, warning
from worker.doctor.workers import Report
from worker.schedule import periods
from worker.settings.settings import Settings

_GRACE_S: Final = 5.0
_LOST: Final = (
    "No auto top-up and no expiry is written. Jobs are not concerned, and credits that have expired cannot be spent."
)


@dataclass(frozen=True, slots=True)
class _Ticks:
    """What the I/O workers say of the tick that comes most often. Ages are by a worker's own steady clock."""

    name: str
    every_s: float
    reports: Sequence[Report]  # of the I/O workers

    @property
    def late_s(self) -> float:
        return 3 * self.every_s + _GRACE_S

    @property
    def run_s(self) -> list[float]:
        """How long ago each worker began it."""
        return [each.told["ticks"][self.name] for each in self.reports if self.name in each.told["ticks"]]

    @property
    def heard_s(self) -> list[float]:
        """How long ago any tick came in, for each beat and worker."""
        return [heard["age_s"] for each in self.reports for heard in _beats(each).values()]

    @property
    def young(self) -> bool:
        """Whether no worker has been there for long enough to have heard any."""
        return bool(max(each.told["up_s"] for each in self.reports) <= self.late_s)

    def fresh(self, ages: list[float]) -> bool:
        return min(ages, default=self.late_s + 1) <= self.late_s


def examine_beat(reports: Sequence[Report], settings: Settings, waiting: Callable[[], int]) -> Iterator[Finding]:
    """`waiting` counts the messages in the queue of ticks."""
    # That of charges comes with the scan's, and workers of the version before know nothing of it.
    sent = {name: every_s for name, every_s in periods(settings).items() if name != "charges.ask"}
    name, every_s = min(sent.items(), key=lambda each: each[1])
    ticks = _Ticks(name, every_s, [each for each in reports if each.serves(settings.tick_queue)])
    yield _alive(ticks, settings.tick_queue, waiting)
    yield from _clocks(ticks)


def _alive(ticks: _Ticks, queue: str, waiting: Callable[[], int]) -> Finding:
    check = "beat.alive"
    if ticks.fresh(ticks.run_s):
        return ok(check, f"{ticks.name} {min(ticks.run_s):.1f} s ago")
    if ticks.fresh(ticks.heard_s):
        begun = f"{min(ticks.run_s):.0f} s ago" if ticks.run_s else "never"
        return failure(
            check, f"it runs, the last tick came in {min(ticks.heard_s):.1f} s ago; {ticks.name} was begun {begun}",
            f"The threads of the I/O worker are busy with what does not end. {_LOST}",
            "leave beat alone; the log of the I/O worker says what it waits for; give it more threads: -c",
        )  # fmt: skip
    if not ticks.reports:
        return failure(
            check, f"cannot be seen: no worker takes from {queue}", f"Ticks are run by those workers. {_LOST}",
            "start an I/O worker first, or have it take from its queue again",
        )  # fmt: skip
    if count := waiting():
        return failure(
            check, f"{count} messages wait in {queue}, and none has come in", f"Its ticks do not get through. {_LOST}",
            f"leave beat alone; see why the workers of {queue} take nothing, and start them anew",
        )  # fmt: skip
    if ticks.young:
        return warning(
            check, "no tick yet, the I/O worker has just started", "Beat may be there or not.",
            f"ask again in {ticks.late_s:.0f} s",
        )  # fmt: skip
    found = f"the last tick came in {min(ticks.heard_s):.0f} s ago" if ticks.heard_s else "no tick seen"
    return failure(
        check, f"{found}, expected every {ticks.every_s:g} s", f"Beat does not run, or has no broker. {_LOST}",
        "start it: celery -A worker.app beat; if it runs, its log says what it cannot reach",
    )  # fmt: skip


def _clocks(ticks: _Ticks) -> Iterator[Finding]:
    """Of each beat that ticks: what it said its time was, beside the time here when that came in."""
    latest: dict[str, tuple[Report, dict[str, Any]]] = {}
    for report in ticks.reports:
        for host, heard in _beats(report).items():
            if heard["ahead_s"] is None or heard["age_s"] > ticks.late_s:
                continue
            if host not in latest or heard["age_s"] < latest[host][1]["age_s"]:
                latest[host] = report, heard
    for host, (report, heard) in latest.items():
        theirs = report.told["now"] + heard["ahead_s"]
        yield clock(f"beat.clock.{host}", f"beat on {host}", theirs, report.at, uncertain_s=1.0)


def _beats(report: Report) -> dict[str, dict[str, Any]]:
    """Those that this worker hears. One of an earlier version does not say."""
    heard: dict[str, dict[str, Any]] = report.told.get("beats", {})
    return heard


def waiting_in(app: Celery, queue: str) -> int:
    """Messages in this queue that nobody has taken."""
    with app.connection_for_write() as connection:
        channel: Any = connection.default_channel
        try:
            count: int = channel.queue_declare(queue, passive=True).message_count
        except connection.channel_errors:  # there is none
            return 0
        return count
