"""What `balance-worker top` draws: who reads it sees what was measured, and where nobody knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from worker.brokers.queue_watch import QueueNow
from worker.doctor.workers import Report
from worker.encoding.shown import age
from worker.encoding.visible import visible
from worker.top.broker_look import BrokerNow
from worker.top.ledger_look import LedgerNow
from worker.top.looking import Seen

_UNKNOWN: Final = "unknown"
_OLD_S: Final = 15.0
_NOT_YET: Final = "asking…"
_NOBODY: Final = "no worker answered: what workers know is unknown. One that is busy, or held, may not answer"


def screen(ledger: Seen[LedgerNow] | None, broker: Seen[BrokerNow] | None) -> RenderableType:
    """All of it, the most urgent first. None: it has not answered yet."""
    return Group(*_old(broker), *_broker(broker), *_old(ledger), *_ledger(ledger))


def _old(seen: Seen[Any] | None) -> Iterator[RenderableType]:
    """A source may keep a look waiting: what stands below is of the one before."""
    if seen is not None and (seconds := monotonic() - seen.at) > _OLD_S:
        yield _line(f"what follows is {age(seconds)} old: it does not answer", "yellow")


def _broker(seen: Seen[BrokerNow] | None) -> Iterator[RenderableType]:
    if seen is None or seen.found is None:
        yield from _absent("QUEUES", seen)
        yield from _absent("WORKERS", seen)
        return
    yield _table(("QUEUES", "messages", "oldest", "taken by"), [_queue(each) for each in seen.found.queues])
    if not seen.found.queues:
        yield _line("no queue is there yet: a worker makes them when it starts")
    yield Text()
    heads = ("WORKERS, last minute", "jobs/s", "replayed", "apply p50", "p99", "published→commit p50", "p99", "in hand")
    yield _table(heads, [_worker(each) for each in seen.found.workers])
    if not seen.found.workers:
        yield _line(_NOBODY, "yellow")
    for report in seen.found.workers:
        yield from _troubles(report)
    yield Text()


def _ledger(seen: Seen[LedgerNow] | None) -> Iterator[RenderableType]:
    if seen is None or seen.found is None:
        yield from _absent("LEDGER", seen)
        return
    found = seen.found
    jobs, total = found.jobs, sum(found.jobs.codes.values())
    cover = f"last {found.seconds:.3g} s" if jobs.whole else f"newest {total}, in {found.seconds:.3g} s"
    rates = [(code, f"{count / found.seconds:.1f}", str(count)) for code, count in jobs.codes.items()]
    yield _table(
        (f"JOBS, {cover}", "per second", "jobs"), [("all", f"{total / found.seconds:.1f}", str(total)), *rates]
    )
    yield Text()
    busy = [(str(each.account), str(each.jobs), str(each.rejected)) for each in jobs.accounts]
    if busy:
        yield _table(("BUSIEST ACCOUNTS", "jobs", "rejected"), busy)
        yield Text()
    yield _table(("WAITING", "", ""), [*_waiting(found)], right=False)


def _waiting(found: LedgerNow) -> Iterator[Sequence[str]]:
    letters, charging, outbox = found.letters, found.charging, found.outbox
    count = f"{letters.letters}" if letters.whole else f"{letters.letters} or more"
    yield "dead letters", count, ", ".join(f"{reason} {number}" for reason, number in letters.reasons.items())
    lag = f"the oldest for {age(found.outbox_lag_s)}" if outbox.events or outbox.backlog else ""
    backlog = f"{outbox.backlog} for the stream alone" if outbox.backlog else ""
    yield "events", str(outbox.events + outbox.backlog), "; ".join(filter(None, (lag, backlog)))
    waits = {
        "for their provider": charging.waiting, "of these for long": charging.long_waiting,
        "for their payer": charging.for_payers, "for an operator": charging.unknown,
    }  # fmt: skip
    paused = "charging is paused" if charging.paused else ""
    said = "; ".join([paused, *(f"{number} {whom}" for whom, number in waits.items() if number)]).strip("; ")
    yield "charges", str(charging.waiting + charging.for_payers + charging.unknown), said
    yield "policies due", str(charging.due), ""


def _queue(each: QueueNow) -> Sequence[str]:
    if each.oldest_s is None:
        oldest = _UNKNOWN if each.messages else ""  # RabbitMQ tells nobody
    else:
        oldest = age(each.oldest_s) if each.messages else ""
        oldest = f"≥ {oldest}" if oldest and not each.oldest_known else oldest
    by = each.holder or ("" if each.consumers is None else f"{each.consumers} consumers")
    return each.queue, str(each.messages), oldest, by


def _worker(report: Report) -> Sequence[str]:
    recent: dict[str, Any] = report.told.get("recent") or {}
    if not recent:  # an earlier version
        return report.worker, *(_UNKNOWN,) * 6, str(report.told.get("unacknowledged", _UNKNOWN))
    rate = recent["jobs"] / recent["seconds"]
    times = [*_quantiles(recent["apply_s"]), *_quantiles(recent["publish_to_commit_s"])]
    return report.worker, f"{rate:.1f}", str(recent["replayed"]), *times, str(report.told["unacknowledged"])


def _quantiles(told: dict[str, float] | None) -> Iterator[str]:
    yield from ("", "") if told is None else (age(told["p50"]), age(told["p99"]))


def _troubles(report: Report) -> Iterator[RenderableType]:
    for trouble in report.told.get("troubles", ()):
        yield _line(f"{report.worker}: {trouble['what']}; {trouble['next']}", "red")
    if faults := report.told.get("faults"):
        said = ", ".join(f"{what} {count}" for what, count in faults.items())
        yield _line(f"{report.worker}: faults since its start: {said}", "yellow")


def _absent(title: str, seen: Seen[Any] | None) -> Iterator[RenderableType]:
    yield _line(title, "bold")
    yield _line(_NOT_YET) if seen is None else _line(f"unknown: {seen.error}", "red")
    yield Text()


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, right: bool = True) -> Table:
    grid = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for number, head in enumerate(heads):
        last = number == len(heads) - 1
        grid.add_column(head, justify="right" if right and number and not (last and head == "taken by") else "left")
    for row in rows:
        grid.add_row(*(Text(visible(cell)) for cell in row))
    return grid


def _line(text: str, style: str = "") -> Text:
    return Text(visible(text), style=style)
