"""What anchors say of each other, and of the ledger as it is now: which were changed, and what was changed since."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from models.domain.evidence.anchors import Anchor, Head, JobLine, Unreadable, line_hash, parts_of
from models.domain.value import value

Verify = Callable[[str, bytes, bytes], str | None]
"""(key id, payload, signature) → what is wrong with the signature; None: nothing."""


@dataclass(slots=True)
class Sequence:
    """Anchors as they stand one after the other. `good`: those that can be believed, with the hashes of their lines."""

    good: list[tuple[Anchor, bytes]] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)  # (anchor 3, what is wrong)


def check(lines: Iterable[str], verify: Verify) -> Sequence:
    """Looks at each signature and at what ties each anchor to the one before it."""
    found, expected, before = Sequence(), 1, ""
    last: Anchor | None = None
    for number, line in enumerate(lines, 1):
        try:
            signature, payload = parts_of(line)
            anchor = Anchor.read(payload)
        except Unreadable as error:
            found.problems.append((f"anchors, line {number}", f"cannot be read: {error}"))
            before, expected, last = line_hash(line).hex(), expected + 1, None
            continue
        name = f"anchor {anchor.sequence}"
        if (wrong := verify(anchor.key, payload, signature)) is not None:
            found.problems.append((name, wrong))
        elif anchor.sequence != expected:
            found.problems.append((name, f"stands where anchor {expected} belongs: some were removed, moved or added"))
        elif anchor.previous != before:
            found.problems.append((name, "does not follow the line before it, which was changed or is another's"))
        elif last is not None and anchor.jobs.since != last.jobs.until:
            found.problems.append((name, "does not begin with the jobs that the one before it ended with"))
        if wrong is None:
            found.good.append((anchor, line_hash(line)))
        expected, before, last = anchor.sequence + 1, line_hash(line).hex(), anchor
    return found


def remembered(sequence: Sequence, memory: dict[int, bytes]) -> Iterator[tuple[str, str]]:
    """What the place and the database say differently of the anchors there are; `memory`: hashes by number."""
    there = {anchor.sequence: digest for anchor, digest in sequence.good}
    newest = max(there, default=0)
    for number in sorted({*there, *memory}):
        if number not in there:
            yield f"anchor {number}", "was written, and the place has it no more, or not as it was"
        elif number not in memory:
            if number != newest:  # the place has it first
                yield f"anchor {number}", "is not known to the database: it was restored from before, or rows removed"
        elif there[number] != memory[number]:
            yield f"anchor {number}", "is another than the one that the database remembers"


def fresh(now: Iterator[Head], before: Iterator[Head]) -> Iterator[tuple[Head, bool]]:
    """Heads that `before` does not have as they are, and whether it does not have the chain at all. Both sorted."""
    old = next(before, None)
    for head in now:
        while old is not None and order(old) < order(head):
            old = next(before, None)
        if old is None or order(old) != order(head):
            yield head, True
        elif old != head:
            yield head, False


def order(head: Head) -> tuple[str, int]:
    """The order in which heads are written and hashed."""
    return head.chain, head.id


@value(frozen=True, slots=True)
class Now:
    """What the ledger says today of an anchored chain: its name and terms, and its entry of the anchored number."""

    name: str | None  # None: there is no such chain
    unit: str
    scale: int
    seq: int
    hash: str | None  # of that entry; None: there is none
    balance: int | None  # after that entry


def compared(head: Head, now: Now) -> str | None:
    """What was done to a chain since it was anchored; None: nothing, or it only grew."""
    if now.name is None:
        return f"vanished: it was there with {head.seq} entries"
    if (now.name, now.unit, now.scale) != (head.name, head.unit, head.scale):
        return f"is another account now: {now.name} in {now.unit} at scale {now.scale}"
    if head.seq == 0:
        return None
    if now.hash is None:
        return f"its history was cut: entry {head.seq} was there, the last one is {now.seq}"
    if now.hash != head.hash:
        return f"its history was rewritten: entry {head.seq} is not the one that was there"
    if now.balance is not None and now.balance != head.balance:
        return f"entry {head.seq} left {head.balance}, and says {now.balance} now"
    return None


def compared_jobs(then: Iterator[JobLine], now: Iterator[JobLine]) -> Iterator[tuple[str, str]]:
    """Jobs that vanished, were changed, or were put in. Both sorted by id."""
    old, new = next(then, None), next(now, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old.id < new.id):
            assert old is not None
            yield _called(old), f"vanished: it was settled ({old.code})"
            old = next(then, None)
        elif old is None or new.id < old.id:
            yield _called(new), f"was put in: it says that it was settled ({new.code}) before it was there"
            new = next(now, None)
        else:
            if old != new:
                yield _called(old), "is not the one that was settled under this id: its row was changed"
            old, new = next(then, None), next(now, None)


def _called(job: JobLine) -> str:
    return f"job {job.id} ({job.producer}, {job.key})"
