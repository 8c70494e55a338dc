"""Comparing the ledger with the anchors that were written of it."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import Connection, Engine

from models.domain.evidence import anchor_checks as checks
from models.domain.evidence import anchors as domain
from models.domain.evidence.anchors import Anchor, Head, JobLine, Unreadable
from models.store.audit import anchors as store
from models.store.connection.session import snapshot
from worker.anchors.places import Place

T = TypeVar("T")
Problem = tuple[str, str]
"""What it is about, and what is wrong."""


@dataclass(slots=True)
class Comparison:
    """`last`: the newest anchor that can be believed. `without`: numbers of anchors whose heads are not at hand."""

    anchors: int = 0
    last: Anchor | None = None
    without: list[int] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def compare(engine: Engine, place: Place, verify: checks.Verify, say: Callable[[str], None]) -> Comparison:
    """What was changed, removed or put in since the anchors of a place were written. Raises AnchorFault."""
    sequence = checks.check(place.lines(), verify)
    good = [anchor for anchor, _ in sequence.good]
    found = Comparison(len(good), good[-1] if good else None, problems=sequence.problems)
    with snapshot(engine) as connection:
        store.take_time(connection)
        found.problems += checks.remembered(sequence, store.memory(connection))
        known: set[str] = set()
        before: Anchor | None = None
        for anchor in good:
            say(f"comparing with anchor {anchor.sequence} of {good[-1].sequence}")
            _jobs(connection, place, anchor, found)
            if (kept := _kept_heads(place, anchor, found)) is None:
                found.without.append(anchor.sequence)
                continue
            if before is None or before.heads_file != anchor.heads_file:
                for name, problem in _changed(connection, place, anchor, kept, before):
                    if name not in known:  # said of the first anchor that shows it
                        known.add(name)
                        found.problems.append((name, problem))
            before = anchor
        if before is not None:
            found.problems += [each for each in _put_in(connection, place, before) if each[0] not in known]
        if good:
            found.problems += _fewer(connection, good)
    return found


def _changed(
    connection: Connection, place: Place, anchor: Anchor, heads: Iterator[Head], before: Anchor | None
) -> Iterator[Problem]:
    """What was done to chains that this anchor shows, and the one before it does not."""
    older = iter(()) if before is None else _heads(place, before)
    for head, new, now, created in store.then(connection, checks.fresh(heads, older)):
        if (problem := checks.compared(head, now)) is not None:
            yield head.name, f"since anchor {anchor.sequence} {problem}"
        elif new and before is not None and created is not None and created < before.jobs.until:
            yield head.name, _backdated(before)


def _backdated(anchor: Anchor) -> str:
    return f"was put in: it says that it was created before anchor {anchor.sequence}, which has it not"


def _put_in(connection: Connection, place: Place, anchor: Anchor) -> Iterator[Problem]:
    anchored = (head.id for head in _heads(place, anchor) if head.chain == "account")
    there = next(anchored, None)
    for account_id, name in store.created_before(connection, anchor.jobs.until):
        while there is not None and there < account_id:
            there = next(anchored, None)
        if there != account_id:
            yield name, _backdated(anchor)


def _jobs(connection: Connection, place: Place, anchor: Anchor, found: Comparison) -> None:
    window, now = anchor.jobs, domain.Jobs()
    for job in store.jobs(connection, window.since, window.until):
        now.add(job)
    if (now.count, now.digest()) == (window.count, window.digest):
        return
    named = f"jobs of anchor {anchor.sequence}"
    kept = _kept_jobs(place, anchor, found)
    if kept is not None:
        found.problems += checks.compared_jobs(kept, store.jobs(connection, window.since, window.until))
    else:
        told = f"there were {window.count} settled from {_time(window.since)} to {_time(window.until)}, "
        changed = f"there are {now.count} now" if now.count != window.count else "and some are not as they were"
        found.problems.append((named, f"{told}{changed}"))


def _fewer(connection: Connection, good: list[Anchor]) -> Iterator[Problem]:
    """What even anchors without their heads show: neither becomes fewer."""
    now = domain.Heads()
    for head in store.heads(connection):
        now.add(head, "")
    accounts, entries = max(good, key=lambda each: each.accounts), max(good, key=lambda each: each.entries)
    if now.accounts < accounts.accounts:
        yield (
            "ledger",
            f"there were {accounts.accounts} accounts at anchor {accounts.sequence}, {now.accounts} are left",
        )
    if now.entries < entries.entries:
        yield "ledger", f"there were {entries.entries} entries at anchor {entries.sequence}, {now.entries} are left"


def _kept_heads(place: Place, anchor: Anchor, found: Comparison) -> Iterator[Head] | None:
    """The heads of an anchor, when they are there and are those that it is a digest of."""
    return _kept(place, anchor, anchor.heads_file, found, lambda: _fits(_heads(place, anchor), anchor), _heads)


def _kept_jobs(place: Place, anchor: Anchor, found: Comparison) -> Iterator[JobLine] | None:
    def fits() -> bool:
        jobs = domain.Jobs()
        for job in _job_lines(place, anchor):
            jobs.add(job)
        return (jobs.count, jobs.digest()) == (anchor.jobs.count, anchor.jobs.digest)

    return _kept(place, anchor, anchor.jobs_file, found, fits, _job_lines)


def _kept(
    place: Place,
    anchor: Anchor,
    name: str | None,
    found: Comparison,
    fits: Callable[[], bool],
    read: Callable[[Place, Anchor], Iterator[T]],
) -> Iterator[T] | None:
    if name is None or (file := place.read(name)) is None:
        return None
    file.close()
    try:
        if fits():
            return read(place, anchor)
        wrong = "is not the one that the anchor is of"
    except (Unreadable, OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        wrong = f"cannot be read: {error}"
    found.problems.append((f"anchor {anchor.sequence}", f"its file {name} {wrong}"))
    return None


def _fits(heads: Iterator[Head], anchor: Anchor) -> bool:
    read = domain.Heads()
    for head in heads:
        read.add(head, f"{head.line()}\n")
    return read.buckets() == anchor.buckets


def _heads(place: Place, anchor: Anchor) -> Iterator[Head]:
    return (Head.read(line) for line in _lines(place, anchor.heads_file))


def _job_lines(place: Place, anchor: Anchor) -> Iterator[JobLine]:
    return (JobLine.read(line) for line in _lines(place, anchor.jobs_file))


def _lines(place: Place, name: str | None) -> Iterator[str]:
    file = None if name is None else place.read(name)
    if file is None:
        return
    with file, gzip.open(file, "rt", encoding="utf-8", newline="\n") as lines:
        for line in lines:
            yield line.removesuffix("\n")


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
