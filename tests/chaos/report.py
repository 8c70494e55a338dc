"""The figures of a run, for people and for programs."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.chaos.checks import Settled
from tests.chaos.events.checks import Received, Which
from tests.chaos.known import Accepted
from tests.chaos.schedule import Ended


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds."""

    p50: float
    p99: float
    longest: float
    count: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Times | None:
        """None when there are none."""
        if not seconds:
            return None
        cuts = statistics.quantiles(seconds, n=100, method="inclusive") if len(seconds) > 1 else [seconds[0]] * 99
        return cls(round(cuts[49], 2), round(cuts[98], 2), round(max(seconds), 2), len(seconds))


@dataclass(frozen=True, slots=True)
class Events:
    """How events came. Different ones, unless it says otherwise."""

    told: int
    webhooks: int  # that the endpoint has taken that is told everything, as soon as it is there
    webhooks_again: int  # requests to it beyond the first of their event, also those that it failed before
    webhooks_elsewhere: int  # requests to the endpoints that came and went
    failed: dict[str, int]  # requests that were read and not taken, by what was done to them
    stream: int  # in the stream
    stream_again: int  # in it once more
    settling_s: float  # from the end of the last fault until all were delivered


@dataclass(frozen=True, slots=True)
class Report:
    """One run on one broker. It is green when nothing was found."""

    broker: str
    seed: str
    seconds: int
    faults: dict[str, int]
    jobs: int  # different ones that a publisher was told are accepted
    applied: int
    refused: int
    parked: int  # letters: chords, and follow-ups that were given up
    published_again: int  # because no answer came, or a failure
    duplicates: int  # accepted messages beyond the first of their job; each was suppressed
    follow_ups: int  # different ones that came to the publisher's own queue
    next_job: Times | None  # from the end of a fault to the next settled job
    caught_up: Times | None  # from the end of a fault until all that had been accepted before was settled
    consumed_again: Times | None  # from the end of a fault that all had part in until each had taken a job again
    settling_s: float  # from the end of the last fault until nothing was left
    events: Events
    findings: list[str]

    @property
    def green(self) -> bool:
        return not self.findings

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "green": self.green}


def recoveries(
    ended: Sequence[Ended], known: Mapping[str, Accepted], settled: Mapping[str, Settled]
) -> tuple[list[float], list[float]]:
    """For each fault: seconds to the next settled job, and until what had been accepted by then was settled.

    The second counts everything that was accepted before the fault ended, so a later fault may prolong it.
    """
    pairs = sorted((known[key].at, settled[key].at) for key in known.keys() & settled.keys())
    nexts, caught_up = [], []
    for end in ended:
        after = [at - end.at for _, at in pairs if at >= end.at]
        nexts += [min(after).total_seconds()] if after else []
        open_then = [at - end.at for accepted, at in pairs if accepted <= end.at < at]
        caught_up.append(max(open_then).total_seconds() if open_then else 0.0)
    return nexts, caught_up


def events(told: Collection[Which], received: Received, failed: dict[str, int], settling_s: float) -> Events:
    taken = {each.name for each in received.main if each.taken}
    stream = {each.name for each in received.stream}
    return Events(
        told=len(told),
        webhooks=len(taken),
        webhooks_again=len(received.main) - len({each.name for each in received.main}),
        webhooks_elsewhere=len(received.webhooks) - len(received.main),
        failed=failed,
        stream=len(stream),
        stream_again=len(received.stream) - len(stream),
        settling_s=round(settling_s, 1),
    )


def show(report: Report, console: Console) -> None:
    table = Table(title=f"{report.broker}, seed {report.seed}", title_justify="left", title_style="bold", box=None)
    table.add_column("")
    table.add_column("", justify="right")
    for what, count in sorted(report.faults.items()):
        table.add_row(what, str(count))
    table.add_row("jobs accepted", f"{report.jobs:,}")
    table.add_row("  applied", f"{report.applied:,}")
    table.add_row("  refused with an answer", f"{report.refused:,}")
    table.add_row("dead letters", f"{report.parked:,}")
    table.add_row("publishes repeated, no answer came", f"{report.published_again:,}")
    table.add_row("duplicates suppressed", f"{report.duplicates:,}")
    table.add_row("follow-ups that came", f"{report.follow_ups:,}")
    for what, times in (
        ("end of a fault to the next job", report.next_job),
        ("end of a fault to all caught up", report.caught_up),
        ("end of a fault to every worker consuming", report.consumed_again),
    ):
        if times is not None:
            table.add_row(f"{what}: p50 / p99 / longest", f"{times.p50} / {times.p99} / {times.longest} s")
    table.add_row("last fault to nothing left", f"{report.settling_s:.1f} s")
    events = report.events
    table.add_row("events told", f"{events.told:,}")
    table.add_row("  by webhook, beyond that again", f"{events.webhooks:,} / {events.webhooks_again:,}")
    table.add_row("  by webhook to endpoints that came and went", f"{events.webhooks_elsewhere:,}")
    table.add_row("  in the stream, beyond that again", f"{events.stream:,} / {events.stream_again:,}")
    failed = ", ".join(f"{how} {count:,}" for how, count in events.failed.items())
    table.add_row("  requests that the receiver failed", f"{sum(events.failed.values()):,}")
    table.add_row("", failed)
    table.add_row("last fault to all events delivered", f"{events.settling_s:.1f} s")
    console.print(table, highlight=False)
    for finding in report.findings:
        console.print(f"FINDING: {finding}", highlight=False, markup=False)
    verdict = (
        "green: every accepted job has one right answer, every event came, nothing is left" if report.green else "RED"
    )
    console.print(f"chaos: {report.broker}: {verdict}", highlight=False)
