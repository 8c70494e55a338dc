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
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Generic, Protocol, TypeVar

from sqlalchemy import Connection, Engine, Row, text

from models.domain.accounts import Account, Wallet
from models.domain.evidence.finding import Finding
from models.domain.ledger import Entry, Proof, entry_hash
from models.store.audit import charges as audit_charges
from models.store.audit import endpoints
from models.store.audit import jobs as audit_jobs
from models.store.audit.journals import Journals
from models.store.audit.terms import Terms
from models.store.connection.session import snapshot
from models.store.read import accounts as history
from models.store.read.credits import Credits, credits_of_all
from models.store.write import accounts, bodies, entries
from models.store.write import journals as records
from models.store.write.entries import Written
from models.store.write.top_ups import charges

PROGRESS_EVERY: Final = 10_000  # entries

_REVERSED: Final = text("""
    select a.kind, a.ref, back.reverses, sum(abs(back.amount)) as units, abs(made.amount) as amount
    from entries back
    join entries made on made.account_id = back.account_id and made.seq = back.reverses
    join accounts a on a.id = back.account_id
    where back.reverses is not null
    group by a.kind, a.ref, back.account_id, back.reverses, made.amount
    having sum(abs(back.amount)) > abs(made.amount)
""")

_MASKED: Final = text("""
    select a.kind, a.ref, 'users' as shown from users f join accounts a on a.id = f.account_id where a.kind <> 'user'
    union all
    select a.kind, a.ref, 'wallets' from wallets f join accounts a on a.id = f.account_id where a.kind <> 'wallet'
    union all
    select a.kind, a.ref, 'apps' from apps f join accounts a on a.id = f.account_id where a.kind <> 'app'
    union all
    select a.kind, a.ref, 'policies, and does not say so' from policies p join accounts a on a.id = p.account_id
    where not a.has_policy
    union all
    select a.kind, a.ref, 'policies, as it says, that is not there' from accounts a
    where a.has_policy and not exists (select from policies p where p.account_id = a.id)
""")


class _OfAccount(Protocol):
    @property
    def account_id(self) -> int: ...


T = TypeVar("T", bound=_OfAccount)


@dataclass(slots=True)
class Report:
    accounts: int = 0
    entries: int = 0
    grants: int = 0
    records: int = 0
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


class _ByAccount(Generic[T]):
    """Rows in the order of their accounts, taken account by account."""

    def __init__(self, rows: Iterator[T]) -> None:
        self._rows = rows
        self._next = next(rows, None)
        self.strays = Counter[int]()  # rows of accounts that do not exist, by their number

    def take(self, account_id: int) -> Iterator[T]:
        """The rows of this account. Each account's are taken before the next one's."""
        while self._next is not None and self._next.account_id <= account_id:
            row, self._next = self._next, next(self._rows, None)
            if row.account_id == account_id:
                yield row
            else:
                self.strays[row.account_id] += 1

    def rest(self) -> None:
        """What is left after the last account."""
        while self._next is not None:
            self.strays[self._next.account_id] += 1
            self._next = next(self._rows, None)


def audit(engine: Engine, progress: Callable[[int], None] | None = None) -> Report:
    """Reads the whole ledger as of one moment, as a stream. For each account the first wrong entry is named."""
    with snapshot(engine) as connection:
        bodies.keep(connection)
        connection.execute(text("set local statement_timeout = 0"))
        return audit_in(connection, progress)


def audit_in(connection: Connection, progress: Callable[[int], None] | None = None) -> Report:
    """As `audit`, as this transaction sees the ledger."""
    report, journals = Report(), Journals()
    report.findings += _all_accounts(connection, report, progress or (lambda _: None))
    report.findings += journals.read(connection)
    report.findings += _reversed(connection)
    report.findings += _masked(connection)
    report.findings += audit_charges.findings(connection)
    report.findings += endpoints.findings(connection)
    report.findings += audit_jobs.findings(connection, journals.pruned_until, journals.before)
    report.records = journals.count
    return report


def _all_accounts(connection: Connection, report: Report, progress: Callable[[int], None]) -> Iterator[Finding]:
    wallets, now = credits_of_all(connection), history.now(connection)
    written = _ByAccount(entries.stream_written(connection))
    changed = _ByAccount(records.stream_changes(connection))
    charged = _ByAccount(charges.stream(connection))
    for row, account in accounts.every(connection):
        report.accounts += 1
        name = f"{row.kind}:{row.ref}"
        chain, terms = _Chain(), Terms(changed.take(row.id), charged.take(row.id))
        credits = wallets.pop(row.id, None)
        for each in written.take(row.id):
            report.entries += 1
            if report.entries % PROGRESS_EVERY == 0:
                progress(report.entries)
            entry = each.entry
            assert entry is not None, "its account was found just now"
            if credits is None and (entry.details.grant_id or entry.details.draws or entry.details.holds):
                credits = Credits(name, {}, {})  # whose rows are gone
            if not chain.broken and (problem := _wrong(each, entry, chain, credits)):
                chain.broken = True
                yield Finding(name, entry.seq, problem)
            chain.seq, chain.balance, chain.head = entry.seq, entry.balance_after, entry.hash
            terms.entered(entry, each.job_name, chained=not each.older)
            if credits is not None:
                credits.apply(entry)
        yield from _shown(row, chain, credits)
        if account is None:
            yield Finding(name, None, f"has no row in {row.kind}s")
        else:
            terms.ended(account)
            yield from (Finding(name, seq, problem) for seq, problem in terms.problems)
        if credits is not None:
            report.grants += len(credits.grants)
            if account is not None and (problem := _uncovered(account, credits, now)):
                yield Finding(name, None, problem)
            yield from credits.findings(row.updated_at)
    for kind, strays in (("entries", written), ("records", changed), ("charges", charged)):
        strays.rest()
        for account_id, count in strays.strays.items():
            yield Finding(f"account:{account_id}", None, f"does not exist, and has {count} {kind}")


def _wrong(each: Written, entry: Entry, chain: _Chain, credits: Credits | None) -> str | None:
    if entry.seq != chain.seq + 1:
        return f"follows entry {chain.seq}: there is a gap"
    if entry.balance_after != chain.balance + entry.amount:
        return f"balance_after is {entry.balance_after}, but {chain.balance} and {entry.amount} make " + str(
            chain.balance + entry.amount
        )
    if entry.prev_hash != chain.head:
        return "is not chained to the entry before it"
    if each.digest is None:
        return f"is of job {entry.details.job_id}, which does not exist"
    proof = Proof(each.digest, () if credits is None else credits.made_by(entry))
    content = chain.head, entry.account, entry.seq, entry.amount, entry.balance_after, entry.details
    if entry.hash == entry_hash(*content, proof) or (each.older and entry.hash == entry_hash(*content)):
        return None
    terms = "".join(f", and the terms of {made}" for made, _ in proof.made)
    covered = "" if each.older else f", which covers job {entry.details.job_id} with its answer{terms}"
    return f"its content does not match its hash{covered}"


def _shown(row: Row[Any], chain: _Chain, credits: Credits | None) -> Iterator[Finding]:
    name = f"{row.kind}:{row.ref}"
    if row.balance != chain.balance:
        yield Finding(name, None, f"balance is {row.balance}, its entries make {chain.balance}")
    if row.seq != chain.seq or bytes(row.head) != chain.head:
        yield Finding(name, None, f"shows entry {row.seq} as its last, which is not its last entry {chain.seq}")
    left, reserved = (0, 0) if credits is None else (credits.granted, credits.held)
    if (row.granted, row.held) != (left, reserved):
        told = f"{row.granted} left in grants and {row.held} in holds, they have {left} and {reserved}"
        yield Finding(name, None, f"shows {told}")


def _uncovered(account: Account, credits: Credits, now: datetime) -> str | None:
    """What holds have reserved must be there when it is captured."""
    if not isinstance(account.profile, Wallet):
        return None
    if not account.held or account.profile.overdraft_allowed or account.floor is None:
        return None
    spendable = credits.spendable(account.balance, now)
    if spendable >= account.floor or not credits.cuttable(now):
        return None
    return f"has {account.held} held, which leaves {spendable}: less than its floor"


def _masked(connection: Connection) -> Iterator[Finding]:
    for row in connection.execute(_MASKED):
        yield Finding(f"{row.kind}:{row.ref}", None, f"has a row in {row.shown}")


def _reversed(connection: Connection) -> Iterator[Finding]:
    for row in connection.execute(_REVERSED):
        yield Finding(f"{row.kind}:{row.ref}", row.reverses, f"is of {row.amount}, and {row.units} were taken back")
