"""The audit: recomputes every chain and sum from the entries alone, and names what does not add up.

What must hold, for every account:
  1. entries are numbered from 1 without a gap, each chained to the one before, each with the hash of its content;
  2. balance_after is the sum of the amounts so far, and the account shows the last one, its seq and its hash;
  3. a grant's remaining is its amount less what the entries have drawn, and its amount is the entry's that made it;
and for every job: an applied job with an entry in its answer wrote that entry; a refused or unchanged one wrote none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from models.domain.ledger import Entry, EntryKind, entry_hash
from models.store import entries
from models.store.session import snapshot

_ENTRIES: Final = text(f"""
    select {entries.COLUMNS} from entries e join accounts a on a.id = e.account_id order by e.account_id, e.seq
""")  # noqa: S608 - our own column list
_ACCOUNTS: Final = text("select id, kind, ref, balance, seq, head from accounts order by id")
_GRANTS: Final = text("""
    select g.id, g.amount, g.remaining, a.kind, a.ref from grants g join accounts a on a.id = g.account_id
""")
_JOBS: Final = text("""
    select j.id, j.code, a.kind, a.ref, e.seq,
           cast(j.outcome as jsonb) #>> '{entry,account}' as told_account,
           cast(cast(j.outcome as jsonb) #>> '{entry,seq}' as bigint) as told_seq,
           cast(cast(j.outcome as jsonb) #>> '{entry,amount}' as bigint) as told_amount, e.amount
    from jobs j left join entries e on e.job_id = j.id left join accounts a on a.id = e.account_id
    where (e.seq is null) <> (cast(j.outcome as jsonb) #>> '{entry,seq}' is null)
       or e.seq <> cast(cast(j.outcome as jsonb) #>> '{entry,seq}' as bigint)
       or e.amount <> cast(cast(j.outcome as jsonb) #>> '{entry,amount}' as bigint)
       or a.kind || ':' || a.ref <> cast(j.outcome as jsonb) #>> '{entry,account}'
       or (e.seq is not null and j.code <> 'applied')
    order by j.id
""")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not add up. `seq` is the entry; None where it is the account, a grant or a job as a whole."""

    account: str
    seq: int | None
    problem: str

    def __str__(self) -> str:
        return f"{self.account}{'' if self.seq is None else f' entry {self.seq}'}: {self.problem}"


@dataclass(slots=True)
class Report:
    accounts: int = 0
    entries: int = 0
    grants: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def coherent(self) -> bool:
        return not self.findings


@dataclass(slots=True)
class _Chain:
    """The last good state of the account being read."""

    seq: int = 0
    balance: int = 0
    head: bytes = b""
    broken: bool = False


def audit(engine: Engine, progress: Callable[[int], None] | None = None) -> Report:
    """Reads the whole ledger as of one moment, entries as a stream. For each account the first wrong entry is named."""
    report, chains, drawn, granted = Report(), dict[int, _Chain](), dict[UUID, int](), dict[UUID, int]()
    with snapshot(engine) as connection:
        connection.execute(text("set local statement_timeout = 0"))
        for entry in _stream(connection):
            report.entries += 1
            if progress is not None and report.entries % 10_000 == 0:
                progress(report.entries)
            chain = chains.setdefault(entry.account_id, _Chain())
            if not chain.broken and (problem := _wrong(entry, chain)):
                chain.broken = True
                report.findings.append(Finding(str(entry.account), entry.seq, problem))
            chain.seq, chain.balance, chain.head = entry.seq, entry.balance_after, entry.hash
            for grant_id, units in entry.note.draws:
                drawn[grant_id] = drawn.get(grant_id, 0) + units
            if entry.note.grant_id is not None and entry.note.kind is EntryKind.CREDIT:
                granted[entry.note.grant_id] = entry.amount
        report.findings += _accounts(connection, chains, report)
        report.findings += _grants(connection, drawn, granted, report)
        report.findings += _jobs(connection)
    return report


def assert_ledger_is_coherent(engine: Engine) -> None:
    """Raises AssertionError with the first findings when the ledger does not add up."""
    findings = audit(engine).findings
    shown = "\n".join(str(finding) for finding in findings[:10])
    if findings:
        raise AssertionError(f"the ledger does not add up, {len(findings)} findings:\n{shown}")


def _stream(connection: Connection) -> Iterator[Entry]:
    rows = connection.execution_options(yield_per=1000).execute(_ENTRIES)
    for row in rows.mappings():
        yield entries.from_row(dict(row))


def _wrong(entry: Entry, chain: _Chain) -> str | None:
    if entry.seq != chain.seq + 1:
        return f"follows entry {chain.seq}: there is a gap"
    if entry.balance_after != chain.balance + entry.amount:
        return f"balance_after is {entry.balance_after}, but {chain.balance} and {entry.amount} make " + str(
            chain.balance + entry.amount
        )
    if entry.prev_hash != chain.head:
        return "is not chained to the entry before it"
    if entry.hash != entry_hash(chain.head, entry.account, entry.seq, entry.amount, entry.balance_after, entry.note):
        return "its content does not match its hash"
    return None


def _accounts(connection: Connection, chains: Mapping[int, _Chain], report: Report) -> Iterator[Finding]:
    for row in connection.execute(_ACCOUNTS):
        report.accounts += 1
        chain, name = chains.get(row.id, _Chain()), f"{row.kind}:{row.ref}"
        if row.balance != chain.balance:
            yield Finding(name, None, f"balance is {row.balance}, its entries make {chain.balance}")
        if row.seq != chain.seq or bytes(row.head) != chain.head:
            yield Finding(name, None, f"shows entry {row.seq} as its last, which is not its last entry {chain.seq}")


def _grants(
    connection: Connection, drawn: Mapping[UUID, int], granted: Mapping[UUID, int], report: Report
) -> Iterator[Finding]:
    known: set[UUID] = set()
    for row in connection.execute(_GRANTS):
        report.grants += 1
        known.add(row.id)
        name, used = f"{row.kind}:{row.ref}", drawn.get(row.id, 0)
        if granted.get(row.id) != row.amount:
            yield Finding(name, None, f"grant {row.id} holds {row.amount}, its entry gave {granted.get(row.id)}")
        if row.remaining != row.amount - used:
            yield Finding(name, None, f"grant {row.id} has {row.remaining} left, its entries leave {row.amount - used}")
    for grant_id in sorted({*drawn, *granted} - known):
        yield Finding("grants", None, f"entries name grant {grant_id}, which does not exist")


def _jobs(connection: Connection) -> Iterator[Finding]:
    for row in connection.execute(_JOBS):
        account = row.told_account or f"{row.kind}:{row.ref}"
        told = f"entry {row.told_seq} of {row.told_amount}" if row.told_seq else "no entry"
        wrote = f"entry {row.seq} of {row.amount}" if row.seq else "none"
        problem = f"job {row.id} ({row.code}) was answered with {told} but wrote {wrote}"
        yield Finding(account, row.seq or row.told_seq, problem)
