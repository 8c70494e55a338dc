"""The audit of accounts: every chain and sum of theirs. What must hold is in models/store/audit/ledger.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, Protocol, TypeVar

from sqlalchemy import Connection, Row, text

from models.domain.accounts import Account, Wallet
from models.domain.evidence.finding import Finding
from models.domain.evidence.progress import Report
from models.domain.ledger import Entry, Proof, entry_hash
from models.store.audit import charges as audit_charges
from models.store.audit.terms import Terms
from models.store.read import accounts as history
from models.store.read.credits import Credits, credits_of_all
from models.store.write import accounts, entries
from models.store.write import journals as records
from models.store.write.entries import Written
from models.store.write.rows import Among
from models.store.write.top_ups import charges

PROGRESS_EVERY: Final = 10_000  # entries

_REVERSED: Final = text("""
    select a.kind, a.ref, back.reverses, sum(abs(back.amount)) as units, abs(made.amount) as amount
    from entries back
    join entries made on made.account_id = back.account_id and made.seq = back.reverses
    join accounts a on a.id = back.account_id
    where back.reverses is not null and back.account_id between :first and :last
    group by a.kind, a.ref, back.account_id, back.reverses, made.amount
    having sum(abs(back.amount)) > abs(made.amount)
""")

_MASKED: Final = text("""
    select a.kind, a.ref, 'users' as shown from users f join accounts a on a.id = f.account_id
    where a.kind <> 'user' and f.account_id between :first and :last
    union all
    select a.kind, a.ref, 'wallets' from wallets f join accounts a on a.id = f.account_id
    where a.kind <> 'wallet' and f.account_id between :first and :last
    union all
    select a.kind, a.ref, 'apps' from apps f join accounts a on a.id = f.account_id
    where a.kind <> 'app' and f.account_id between :first and :last
    union all
    select a.kind, a.ref, 'policies, and does not say so' from policies p join accounts a on a.id = p.account_id
    where not a.has_policy and p.account_id between :first and :last
    union all
    select a.kind, a.ref, 'policies, as it says, that is not there' from accounts a
    where a.has_policy and a.id between :first and :last
      and not exists (select from policies p where p.account_id = a.id)
""")


class _OfAccount(Protocol):
    @property
    def account_id(self) -> int: ...


T = TypeVar("T", bound=_OfAccount)


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


@dataclass(slots=True)
class Accounts:
    """The audit of accounts, range by range in the order of their ids, as one transaction sees them.

    Nothing is kept of an account once it is read. Grants and holds have no index by account, so that they are sorted
    once, for all ranges to come.
    """

    connection: Connection
    progress: Callable[[Report], None]
    _credits: Iterator[tuple[int, Credits]]
    _next: tuple[int, Credits] | None = None

    @classmethod
    def among(cls, connection: Connection, among: Among, progress: Callable[[Report], None]) -> Accounts:
        """`progress` is told every so many entries."""
        found = cls(connection, progress, credits_of_all(connection, among))
        found._next = next(found._credits, None)
        return found

    def read(self, first: int, last: int, report: Report) -> Iterator[Finding]:
        """What is wrong with accounts from id `first` to `last`; `report` counts."""
        yield from self._accounts(first, last, report)
        between = {"first": first, "last": last}
        yield from _reversed(self.connection, between)
        yield from _masked(self.connection, between)
        yield from audit_charges.of_accounts(self.connection, between)

    def _credits_of(self, account_id: int) -> Credits | None:
        while self._next is not None and self._next[0] < account_id:
            self._next = next(self._credits, None)
        return None if self._next is None or self._next[0] != account_id else self._next[1]

    def _accounts(self, first: int, last: int, report: Report) -> Iterator[Finding]:
        connection, now = self.connection, history.now(self.connection)
        written = _ByAccount(entries.stream_written(connection, first, last))
        changed = _ByAccount(records.stream_changes(connection, first, last))
        charged = _ByAccount(charges.stream(connection, first, last))
        for row, account in accounts.every(connection, first, last):
            report.accounts += 1
            name = f"{row.kind}:{row.ref}"
            chain, terms = _Chain(), Terms(changed.take(row.id), charged.take(row.id))
            credits = self._credits_of(row.id)
            for each in written.take(row.id):
                report.entries += 1
                if report.entries % PROGRESS_EVERY == 0:
                    self.progress(report)
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


def _masked(connection: Connection, between: Mapping[str, int]) -> Iterator[Finding]:
    for row in connection.execute(_MASKED, between):
        yield Finding(f"{row.kind}:{row.ref}", None, f"has a row in {row.shown}")


def _reversed(connection: Connection, between: Mapping[str, int]) -> Iterator[Finding]:
    for row in connection.execute(_REVERSED, between):
        yield Finding(f"{row.kind}:{row.ref}", row.reverses, f"is of {row.amount}, and {row.units} were taken back")
