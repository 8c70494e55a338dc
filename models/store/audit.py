"""The audit: recomputes every chain and sum from the entries alone, and names what does not add up.

What must hold, for every account:
  1. entries are numbered from 1 without a gap, each chained to the one before, each with the hash of its content;
  2. balance_after is the sum of the amounts so far, and the account shows the last one, its seq and its hash;
  3. what is left of a grant or a hold is what the entries leave of it, a grant's amount is the entry's that made it,
     and the account shows the sums;
  4. no entry is taken back beyond its amount, and every entry of a wallet keeps the rules of models/domain/credits.py:
     no debt beside open grants, nothing taken twice, nothing revived (models/domain/replay.py);
and for every job: an applied job with an entry in its answer wrote that entry; a refused or unchanged one wrote none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, text

from models.domain.ledger import Entry, entry_hash
from models.store import entries
from models.store.credits import Credits, credits_of_all
from models.store.session import snapshot

_ACCOUNTS: Final = text("""
    select a.id, a.kind, a.ref, a.balance, a.seq, a.head, a.granted, a.held, a.floor,
           (select coalesce(sum(g.remaining), 0) from grants g where g.account_id = a.id and g.remaining > 0) as grants,
           (select coalesce(sum(h.remaining), 0) from holds h where h.account_id = a.id and h.remaining > 0) as holds,
           coalesce(w.overdraft_allowed, false) as overdraft_allowed, clock_timestamp() as now
    from accounts a left join wallets w on w.account_id = a.id order by a.id
""")
_REVERSED: Final = text("""
    select a.kind, a.ref, back.reverses, sum(abs(back.amount)) as units, abs(made.amount) as amount
    from entries back
    join entries made on made.account_id = back.account_id and made.seq = back.reverses
    join accounts a on a.id = back.account_id
    where back.reverses is not null
    group by a.kind, a.ref, back.account_id, back.reverses, made.amount
    having sum(abs(back.amount)) > abs(made.amount)
""")
_JOBS: Final = text("""
    select j.id, j.code, a.kind, a.ref, e.seq,
           cast(j.outcome as jsonb) #>> '{entry,account}' as told_account,
           cast(cast(j.outcome as jsonb) #>> '{entry,seq}' as bigint) as told_seq,
           cast(cast(j.outcome as jsonb) #>> '{entry,amount}' as bigint) as told_amount, e.amount
    from jobs j left join entries e on e.job_id = j.id and e.part = 0 left join accounts a on a.id = e.account_id
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
    report, chains = Report(), dict[int, _Chain]()
    with snapshot(engine) as connection:
        connection.execute(text("set local statement_timeout = 0"))
        wallets = credits_of_all(connection)
        for entry in entries.stream(connection):
            report.entries += 1
            if progress is not None and report.entries % 10_000 == 0:
                progress(report.entries)
            chain = chains.setdefault(entry.account_id, _Chain())
            if not chain.broken and (problem := _wrong(entry, chain)):
                chain.broken = True
                report.findings.append(Finding(str(entry.account), entry.seq, problem))
            chain.seq, chain.balance, chain.head = entry.seq, entry.balance_after, entry.hash
            if entry.account_id not in wallets and (entry.note.grant_id or entry.note.draws or entry.note.holds):
                wallets[entry.account_id] = Credits(str(entry.account), {}, {})  # whose rows are gone
            if (credits := wallets.get(entry.account_id)) is not None:
                credits.apply(entry)
        report.findings += _accounts(connection, chains, wallets, report)
        for credits in wallets.values():
            report.grants += len(credits.grants)
            report.findings += [Finding(*found) for found in credits.findings()]
        report.findings += _reversed(connection)
        report.findings += _jobs(connection)
    return report


def assert_ledger_is_coherent(engine: Engine) -> None:
    """Raises AssertionError with the first findings when the ledger does not add up."""
    findings = audit(engine).findings
    shown = "\n".join(str(finding) for finding in findings[:10])
    if findings:
        raise AssertionError(f"the ledger does not add up, {len(findings)} findings:\n{shown}")


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


def _accounts(
    connection: Connection, chains: Mapping[int, _Chain], wallets: Mapping[int, Credits], report: Report
) -> Iterator[Finding]:
    for row in connection.execute(_ACCOUNTS):
        report.accounts += 1
        chain, name = chains.get(row.id, _Chain()), f"{row.kind}:{row.ref}"
        if row.balance != chain.balance:
            yield Finding(name, None, f"balance is {row.balance}, its entries make {chain.balance}")
        if row.seq != chain.seq or bytes(row.head) != chain.head:
            yield Finding(name, None, f"shows entry {row.seq} as its last, which is not its last entry {chain.seq}")
        if (row.granted, row.held) != (row.grants, row.holds):
            told = f"{row.granted} left in grants and {row.held} in holds, they have {row.grants} and {row.holds}"
            yield Finding(name, None, f"shows {told}")
        elif row.id in wallets and (problem := _uncovered(row, wallets[row.id])):
            yield Finding(name, None, problem)


def _uncovered(row: Row[Any], credits: Credits) -> str | None:
    """What holds have reserved must be there when it is captured."""
    if not row.held or row.overdraft_allowed or row.floor is None:
        return None
    spendable = credits.spendable(row.balance, row.now)
    if spendable >= row.floor or not credits.cuttable(row.now):
        return None
    return f"has {row.held} held, which leaves {spendable}: less than its floor"


def _reversed(connection: Connection) -> Iterator[Finding]:
    for row in connection.execute(_REVERSED):
        yield Finding(f"{row.kind}:{row.ref}", row.reverses, f"is of {row.amount}, and {row.units} were taken back")


def _jobs(connection: Connection) -> Iterator[Finding]:
    for row in connection.execute(_JOBS):
        account = row.told_account or f"{row.kind}:{row.ref}"
        told = f"entry {row.told_seq} of {row.told_amount}" if row.told_seq else "no entry"
        wrote = f"entry {row.seq} of {row.amount}" if row.seq else "none"
        problem = f"job {row.id} ({row.code}) was answered with {told} but wrote {wrote}"
        yield Finding(account, row.seq or row.told_seq, problem)
