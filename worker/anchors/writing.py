"""Writing an anchor: what is read, in which order it is kept, and by whom it is remembered."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from tempfile import TemporaryFile
from typing import IO, Final

from sqlalchemy import Connection, Engine

from models.domain.evidence import anchors as domain
from models.domain.evidence.anchors import Anchor, Unreadable, Window
from models.store.audit import anchors as store
from models.store.connection.session import snapshot, transaction
from worker.anchors.faults import AnchorFault
from worker.anchors.keys import Signer
from worker.anchors.places import Place

Say = Callable[[str], None]
_SAID_EVERY: Final = 10_000
_COMPARE: Final = "compare with `balance-worker verify --against`; when what was there is known, see docs/operations.md"


def _silent(_text: str) -> None:
    """Nobody listens."""


def take(engine: Engine, place: Place, signer: Signer, *, files: bool = True, say: Say = _silent) -> Anchor:
    """Writes the next anchor: accounts are read once, and the jobs since the last anchor. Raises AnchorFault."""
    with transaction(engine) as connection:
        before = _last(connection, place)
    sequence, previous, since = before
    until = max(store.horizon(engine), since)
    heads, jobs = domain.Heads(), domain.Jobs()
    with ExitStack() as opened:
        wanted = files and place.keeps_files
        beside = {name: _Beside(opened) for name in (("heads", "jobs") if wanted else ())}
        with snapshot(engine) as connection:
            store.take_time(connection)
            at = datetime.fromtimestamp(store.clock(connection) / 1000, UTC)
            for count, head in enumerate(store.heads(connection), 1):
                line = f"{head.line()}\n"
                heads.add(head, line)
                if wanted:
                    beside["heads"].add(line)
                if count % _SAID_EVERY == 0:
                    say(f"{count:,} accounts read")
            for job in store.jobs(connection, since, until):
                jobs.add(job)
                if wanted:
                    beside["jobs"].add(f"{job.line()}\n")
                if jobs.count % _SAID_EVERY == 0:
                    say(f"{jobs.count:,} jobs read")
        buckets = heads.buckets()
        anchor = Anchor(
            sequence + 1,
            at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            previous.hex(),
            signer.key,
            heads.accounts,
            heads.entries,
            tuple((unit, scale, units) for (unit, scale), units in sorted(heads.sums.items())),
            buckets,
            Window(since, until, jobs.count, jobs.digest()),
            # Called after their content: when nothing has changed there is nothing to write.
            f"heads-{domain.root_of(buckets).hex()[:32]}.gz" if wanted else None,
            f"jobs-{jobs.digest()[:32]}.gz" if wanted else None,
        )
        for name, what in ((anchor.heads_file, "heads"), (anchor.jobs_file, "jobs")):
            if name is not None:
                place.write(name, beside[what].done())
    payload = anchor.payload()
    line = domain.line_of(payload, signer.sign(payload))
    with transaction(engine) as connection:
        known = store.last(connection, lock=True)
        if _last(connection, place) != before:
            raise AnchorFault("somebody else wrote an anchor meanwhile", "nothing: theirs is as good")
        if sequence == (known[0] if known else 0) + 1:  # whoever wrote that one ended before it was remembered
            store.remember(connection, *before)
        store.remember(connection, anchor.sequence, domain.line_hash(line), until)
        place.append(anchor.sequence, line)  # before the commit: what the database remembers, the place has
    return anchor


def _last(connection: Connection, place: Place) -> tuple[int, bytes, int]:
    """(number, hash of its line, end of its window) of the anchor that the next one follows."""
    known = store.last(connection)
    line = place.last()
    if line is None:
        if known is not None and place.keeps_files:
            raise AnchorFault(f"anchor {known[0]} was written, and there is none in this place", _COMPARE)
        return known or (0, b"", 0)
    try:
        there = Anchor.read(domain.parts_of(line)[1])
    except Unreadable as error:
        raise AnchorFault(f"the last line of the place is no anchor: {error}", _COMPARE) from error
    found = there.sequence, domain.line_hash(line), there.jobs.until
    if known is None or found[0] > known[0]:
        # Of a process that ended between the place and the database, or the database was restored: the place is right.
        return found
    if found != known:
        raise AnchorFault(f"anchor {known[0]} was written, and the place ends with anchor {found[0]}", _COMPARE)
    return found


class _Beside:
    """A file beside an anchor, made here and kept only when the anchor is known."""

    def __init__(self, opened: ExitStack) -> None:
        self._file: IO[bytes] = opened.enter_context(TemporaryFile())  # noqa: SIM115 - the stack closes it
        self._packed = gzip.GzipFile(fileobj=self._file, mode="wb", compresslevel=6, mtime=0, filename="")

    def add(self, line: str) -> None:
        self._packed.write(line.encode())

    def done(self) -> IO[bytes]:
        self._packed.close()
        self._file.seek(0)
        return self._file
