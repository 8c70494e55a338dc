"""The audit: recomputes every chain and sum from what was written, and names what does not add up.

What must hold, for every account:
  1. entries are numbered from 1 without a gap, each chained to the one before, each with the hash of its content, of
     the job that wrote it with its answer, and of the terms of the grant or hold that it made;
  2. balance_after is the sum of the amounts so far, and the account shows the last one, its seq and its hash;
  3. what is left of a grant or a hold is what the entries leave of it, a grant's amount is the entry's that made it,
     and the account shows the sums;
  4. no entry is taken back beyond its amount, and every entry of a wallet keeps the rules of models/domain/credits:
     no debt beside open grants, nothing taken twice, nothing revived (models/domain/credits/replay.py);
  5. its terms, policy and due time are what its records make them, and nothing was spent or topped up beyond them
     (models/store/audit/terms.py);
for every charge: what succeeded is credited, once, with its amount, and nothing is that did not
(models/store/audit/charges.py); each endpoint of webhooks is as its last job left it (models/store/audit/endpoints.py);
for every journal: each record is chained to the one before, with its job (models/store/audit/journals.py);
and for every job: it is in a chain; an applied job with an entry in its answer wrote that entry; a refused or unchanged
one wrote none; what it told is in the outbox, or was pruned by the rules (models/store/audit/jobs.py).

Whoever may rewrite all of it, hashes and heads as well, is found by what was kept elsewhere, and by nothing here.

It is read range by range (models/store/audit/walks.py), each as of one moment, and nothing but counts, findings and a
few numbers goes from one to the next. A range looks at nothing that another range has seen: what was read as of one
moment is never held against what was read as of another. Since histories are only added to, what was there when the
first range was read is verified when the last one was, be it by one process or by several, one after the other; of what
is added meanwhile, some is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import monotonic_ns
from typing import Any, Final

from sqlalchemy import Connection, Engine, text

from models.domain.evidence.finding import Finding
from models.domain.evidence.progress import ACCOUNTS, JOBS, JOURNALS, REST, WHOLE, Part, Progress, Report
from models.store.audit import charges, endpoints, jobs, journals, walks
from models.store.audit.entries import Accounts
from models.store.audit.journals import Notes
from models.store.connection.session import snapshot
from models.store.write import bodies
from models.store.write import journals as records
from models.store.write.rows import LOWEST, Among

LOOKED_MAX_S: Final = 900
"""How long one moment is read, ending with the range in which it is over: the server keeps what is dead since then."""


_NAMED: Final = text("select current_database() || ', schema ' || coalesce(current_schema(), '-')")
_SIZE: Final = text("""
    select sum(cast(reltuples as bigint)) from pg_class
    where oid in (to_regclass('entries'), to_regclass('records'), to_regclass('jobs')) and reltuples > 0
""")


class AnotherLedger(Exception):
    """The ledger is not the one, or an earlier state of the one, that a verification was begun with."""


Told = Callable[[Progress], None]


def _silent(_progress: Progress) -> None:
    """Nobody listens."""


def audit(engine: Engine, told: Told = _silent) -> Report:
    """Verifies the whole ledger. For each account the first wrong entry is named."""
    progress = Progress()
    verify(engine, progress, told)
    return progress.report


def audit_in(connection: Connection, part: Part = WHOLE) -> Report:
    """The same, or a part of it, as this transaction sees the ledger."""
    progress = Progress(part)
    _Look.at(connection, progress, _silent).verify(None, _silent)
    return progress.report


def verify(engine: Engine, progress: Progress, told: Told = _silent, ranged: Told = _silent) -> None:
    """Goes on from `progress` to the end of its part. `told`: every so many entries; `ranged`: after each range.

    Raises AnotherLedger.
    """
    while progress.step is not None:
        with snapshot(engine) as connection:
            bodies.keep(connection)
            connection.execute(text("set local statement_timeout = 0"))
            _Look.at(connection, progress, told).verify(monotonic_ns() + LOOKED_MAX_S * 10**9, ranged)


def named(engine: Engine) -> str:
    """What the database and the schema of a ledger are called."""
    with snapshot(engine) as connection:
        return str(connection.execute(_NAMED).scalar_one())


def size(engine: Engine, part: Part = WHOLE) -> int | None:
    """About how many entries, records and jobs a part has, as the planner knows it; None when it does not."""
    with snapshot(engine) as connection:
        count = connection.execute(_SIZE).scalar()
    return None if count is None else -(-int(count) // part.count)


@dataclass(slots=True)
class _Look:
    """The ledger as of one moment, from where the verification has come to."""

    connection: Connection
    progress: Progress
    notes: Notes
    told: Told
    _accounts: Accounts | None = None

    @classmethod
    def at(cls, connection: Connection, progress: Progress, told: Told) -> _Look:
        seen = progress.seen
        there = records.there(connection, seen)
        for journal, last in seen.items():
            if there.get(journal) != last:
                raise AnotherLedger(
                    f"record {last[0]} of journal {journal}, which was there, is not there, or is another"
                )
        ends, notes = records.ends(connection), Notes(progress.pruned_until)
        notes.read(connection, {journal: seen.get(journal, (0, b""))[0] for journal in ends})
        progress.seen, progress.pruned_until = ends, notes.pruned_until
        return cls(connection, progress, notes, told)

    def verify(self, until: int | None, ranged: Told) -> None:
        """Range by range, to the end, or until the clock shows so many nanoseconds."""
        while (step := self.progress.step) is not None:
            if step == REST:
                if self.progress.part.number == 0:
                    self.progress.report.add(self._rest())
                self.progress.end_step()
            elif (found := walks.WALKS[step].next(self.connection, self.progress.at, self.progress.part)) is None:
                self.progress.end_step()
                continue
            else:
                self.progress.report.add(self._of(step, found))
                self.progress.report.ranges += 1
                self.progress.at = found.last + 1
            ranged(self.progress)
            if until is not None and monotonic_ns() > until:
                return

    def _of(self, step: str, found: walks.Range) -> Iterator[Finding]:
        report, bounds = self.progress.report, walks.bounds(step, found)
        if step == ACCOUNTS:
            return self._all_accounts().read(found.first, found.last, report)
        if step == JOURNALS:
            return journals.findings(self.connection, bounds, report)
        assert step == JOBS
        report.jobs += found.rows
        return self._jobs(bounds)

    def _all_accounts(self) -> Accounts:
        if self._accounts is None:
            progress, part = self.progress, self.progress.part
            first = LOWEST if progress.at is None else progress.at
            among = Among(first, walks.WALKS[ACCOUNTS].bits, part.count, part.number)
            self._accounts = Accounts.among(self.connection, among, lambda _: self.told(progress))
        return self._accounts

    def _jobs(self, bounds: walks.Parameters) -> Iterator[Finding]:
        yield from charges.of_jobs(self.connection, bounds)
        yield from jobs.findings(self.connection, bounds, self.notes.pruned_until)

    def _rest(self) -> Iterator[Finding]:
        yield from journals.heads(self.connection)
        yield from endpoints.findings(self.connection)
        yield from jobs.together(self.connection, self._before())

    def _before(self) -> list[dict[str, Any]]:
        """What there was before the records was noted when they began, at the beginning of a journal."""
        noted = Notes()
        noted.read(self.connection, dict.fromkeys(records.ends(self.connection), 0))
        return noted.before
