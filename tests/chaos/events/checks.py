"""What must hold of events at the end: each that was told has come everywhere, under one id and in order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from tests.chaos.checks import shortened
from tests.chaos.endpoints import MAIN
from tests.chaos.events.seen import Arrival, Seen
from tests.chaos.events.signing import Signing

Read = Callable[..., list[Any]]
Which = tuple[str, int]
_STREAM: Final = "the stream"
_LEFT: Final = {
    "outbox": "select count(*) from outbox",
    "stream_backlog": "select count(*) from stream_backlog",
    "deliveries that wait": "select count(*) from webhook_deliveries where status = 'waiting'",
    "webhook_queues": "select count(*) from webhook_queues",
}


@dataclass(frozen=True, slots=True)
class Told:
    """An event that a job remembers, or that a letter was parked. `seq`: of the last entry that the job wrote; None:
    it wrote none."""

    at: datetime
    account: str | None
    seq: int | None


@dataclass(frozen=True, slots=True)
class Received:
    """`since`: when the main endpoint was there, by the database's clock: events of before need not have come to it."""

    webhooks: Sequence[Arrival]
    stream: Sequence[Seen]
    since: datetime

    def to(self, path: str) -> list[Arrival]:
        return [each for each in self.webhooks if each.path == path]

    @property
    def main(self) -> list[Arrival]:
        return self.to(f"/{MAIN}")

    @property
    def by_destination(self) -> dict[str, list[Seen]]:
        found: dict[str, list[Seen]] = {_STREAM: [*self.stream]}
        for each in self.webhooks:
            found.setdefault(each.path, []).append(each)
        return found


def told_events(read: Read) -> dict[Which, Told]:
    """By job and bit, whoever asked for the job; by letter and 0."""
    rows = read(
        "select cast(j.id as text), j.events, j.settled_at, a.kind || ':' || a.ref, e.seq from jobs j"
        " left join (select job_id, max(account_id) as account_id, max(seq) as seq from entries group by job_id) e"
        " on e.job_id = j.id left join accounts a on a.id = coalesce(j.account_id, e.account_id) where j.events > 0"
    )
    bits = [1 << number for number in range(15)]
    of_jobs = {(job, bit): Told(at, account, seq) for job, sum_, at, account, seq in rows for bit in bits if sum_ & bit}
    parked = read("select cast(id as text), first_seen from dead_letters")
    return {**of_jobs, **{(letter, 0): Told(at, None, None) for letter, at in parked}}


def left(read: Read) -> dict[str, int]:
    """What has not arrived yet, by where it waits; what is given up is not among it."""
    counts = {name: read(query) for name, query in _LEFT.items()}
    return {name: int(found[0][0]) if found else 1 for name, found in counts.items() if not found or found[0][0]}


def findings(read: Read, told: Mapping[Which, Told], received: Received, key: bytes) -> list[str]:
    """What does not hold, in words. `key`: that the secrets of endpoints are made from."""
    exhausted = read("select count(*) from webhook_deliveries where status = 'exhausted'")[0][0]
    return [
        *shortened("event lost by webhooks", list(_lost(told, received.main, received.since))),
        *shortened("event lost by the stream", list(_lost(told, received.stream))),
        *shortened("event", list(_wrong(told, received))),
        *shortened("id", list(_ids(received))),
        *shortened("order", list(_orders(received))),
        *shortened("signature", list(Signing(read, key).wrong(received.webhooks))),
        *[f"events left: {count} in {where}" for where, count in left(read).items()],
        *[f"events given up: {exhausted}" for _ in range(bool(exhausted))],
    ]


def _lost(told: Mapping[Which, Told], seen: Sequence[Seen], since: datetime | None = None) -> Iterator[str]:
    """What did not come there, or was never taken."""
    came = {each.told for each in seen if not isinstance(each, Arrival) or each.taken}
    for which, event in told.items():
        if which not in came and (since is None or event.at > since):
            yield f"{which} of {event.account or 'no account'}, told {event.at}"


def _wrong(told: Mapping[Which, Told], received: Received) -> Iterator[str]:
    """What nobody told, or was told of something else."""
    for where, seen in received.by_destination.items():
        for each in seen:
            event, known = each.event, told.get(each.told) if each.told else None
            if known is None:
                yield f"{each.name} at {where} was told by nobody"
            elif known.seq is not None and (event["account"], event["seq"]) != (known.account, known.seq):
                yield f"{each.name} at {where} is of {event['account']}, {event['seq']}; not {known}"


def _ids(received: Received) -> Iterator[str]:
    """One event has one id wherever and however often it comes, and is the same to the last byte."""
    names, bodies = defaultdict[Which, set[str]](set), defaultdict[str, set[bytes]](set)
    for seen in received.by_destination.values():
        for each in seen:
            if each.event.get("id") != each.name:
                yield f"{each.name} is beside an event whose id is {each.event.get('id')}"
            if each.told is not None:
                names[each.told].add(each.name)
            bodies[each.name].add(each.body)
    yield from (f"{which} came under {sorted(found)}" for which, found in names.items() if len(found) > 1)
    yield from (f"{name} came with {len(found)} bodies" for name, found in bodies.items() if len(found) > 1)


def _orders(received: Received) -> Iterator[str]:
    """The first time that each event came is the order of its account."""
    for where, seen in received.by_destination.items():
        last = dict[str, int]()
        first: dict[str, dict[str, Any]] = {}
        for each in seen:
            first.setdefault(each.name, each.event)
        for name, event in first.items():
            account, seq = event.get("account"), event.get("seq")
            if account is None or seq is None:
                continue
            if seq < last.get(account, 0):
                yield f"{name} of {account} came to {where} with seq {seq}, after {last[account]}"
            last[account] = max(seq, last.get(account, 0))
