"""The ledger's one move: post an amount to an account, as entry number seq + 1, chained to the entry before it.

What always holds, and the database says so too where it can:
  1. balance = Σ amounts of the entries = balance_after of the last one;
  2. entries are numbered 1, 2, 3 … without a gap;
  3. each entry's hash covers its content, the job that wrote it with its answer, the terms of the grant or hold that it
     made, and the hash of the entry before: nothing can be changed, removed or put in between without breaking the
     chain from there on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from models.domain.accounts import Account, AccountKey
from models.domain.credits.grants import Draw, Grant
from models.domain.credits.holds import Hold, HoldChange, HoldVerb
from models.domain.money import UNITS_MAX
from models.domain.text import json_encoder
from models.domain.value import value
from models.python310 import UTC, StrEnum

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_encode: Final = json_encoder()


class EntryKind(StrEnum):
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    CREDIT = "credit"
    DEBIT = "debit"
    SET = "set"
    REVERSAL = "reversal"
    EXPIRY = "expiry"
    TERMINATION = "termination"
    VOID = "void"
    HOLD = "hold"
    CAPTURE = "capture"
    RELEASE = "release"
    OPENING = "opening"  # a grant that began and paid a debt
    CORRECTION = "correction"  # of a balance that broke a rule: `balance-worker accounts repair`


MOVES_NOTHING: Final = frozenset(
    {
        EntryKind.HOLD,
        EntryKind.RELEASE,
        EntryKind.OPENING,
        EntryKind.VOID,
        EntryKind.TERMINATION,
        EntryKind.CORRECTION,
    }
)
"""Kinds whose amount may be 0: what they change are grants and holds."""


@value(frozen=True, slots=True)
class EntryDetails:
    """What an entry says beyond its amount."""

    kind: EntryKind
    job_id: UUID
    at: datetime
    reason: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] | None = None
    listed: bool = True  # False: kept for the audit, hidden from the user's own history
    grant_id: UUID | None = None  # the grant that this entry made, expired or voided
    draws: tuple[Draw, ...] = ()  # units of this move taken from grants; negative: put back
    reverses: int | None = None  # seq of the entry that this one takes back, in whole or in part
    paid: tuple[Draw, ...] = ()  # units of grants that paid a debt on this occasion
    holds: tuple[HoldChange, ...] = ()
    part: int = 0  # a job's own entry; 1: the second one of the same job

    @property
    def held(self) -> int:
        """By how many units what is held changes."""
        return sum(change.units if change.verb is HoldVerb.HOLD else -change.units for change in self.holds)


@value(frozen=True, slots=True)
class Entry:
    account_id: int
    account: AccountKey
    seq: int
    amount: int
    balance_after: int
    details: EntryDetails
    prev_hash: bytes = b""  # both are empty until the entry is sealed
    hash: bytes = b""

    @property
    def id(self) -> str:
        return f"{self.account_id}-{self.seq}"

    @property
    def balance_before(self) -> int:
        return self.balance_after - self.amount


def fits(account: Account, amount: int) -> bool:
    """Whether `amount` and the balance after it are numbers that an account can hold."""
    return max(abs(amount), abs(account.balance + amount)) <= UNITS_MAX


def passes_floor(account: Account, amount: int) -> bool:
    """Whether taking `amount` (negative) would leave less than the floor."""
    return account.floor is not None and account.balance + amount < account.floor


def post(account: Account, amount: int, details: EntryDetails) -> tuple[Account, Entry]:
    """The account after the entry, and the entry. Callers have refused what `fits` and `passes_floor` forbid.

    The entry is sealed, and the account's head known, once its job has its answer.
    """
    seq, balance = account.seq + 1, account.balance + amount
    return account.moved(balance, seq, details.at), Entry(account.id, account.key, seq, amount, balance, details)


@value(frozen=True, slots=True)
class Proof:
    """What an entry's hash covers beyond what the entry says itself."""

    job: bytes  # the digest of the job that wrote it
    made: Sequence[Any] = ()  # terms of the grant and the hold that it made: `made_by`


def seal(entry: Entry, prev: bytes, proof: Proof) -> Entry:
    """The entry, chained to the one before it, whose hash is `prev`."""
    digest = entry_hash(prev, entry.account, entry.seq, entry.amount, entry.balance_after, entry.details, proof)
    return Entry(
        entry.account_id, entry.account, entry.seq, entry.amount, entry.balance_after, entry.details, prev, digest
    )


def entry_hash(
    prev: bytes,
    account: AccountKey,
    seq: int,
    amount: int,
    balance_after: int,
    details: EntryDetails,
    proof: Proof | None = None,
) -> bytes:
    """SHA-256 over the previous hash and all that the entry says, and its proof.

    The forms must never change: version 3, and without a proof, for entries from before there was one, version 1, or 2
    where they say more than version 1 knows.
    """
    content: list[Any] = [
        1 if proof is None else 3,
        str(account),
        seq,
        amount,
        balance_after,
        details.kind.value,
        details.reason,
        details.description,
        sorted(details.metadata.items()) if details.metadata else [],
        details.listed,
        str(details.job_id),
        str(details.grant_id) if details.grant_id else None,
        [[str(grant), units] for grant, units in details.draws],
        details.reverses,
        microseconds(details.at),
    ]
    if details.paid or details.holds or details.part:
        if proof is None:
            content[0] = 2
        content += [
            [[str(grant), units] for grant, units in details.paid],
            hold_changes(details.holds),
            details.part,
        ]
    if proof is not None:
        content += [proof.job.hex(), proof.made]
    return hashlib.sha256(prev + _encode(content).encode()).digest()


def made_by(details: EntryDetails, grants: Iterable[Grant], holds: Iterable[Hold]) -> list[Any]:
    """[[grant id, [amount, priority, expires, effective, created]] or [hold id, [amount, expires, created]], …] of what
    an entry with these details made, times in microseconds since 1970. What is not in `grants` and `holds` has None."""
    made: list[Any] = []
    if details.grant_id is not None and details.kind is EntryKind.CREDIT:
        made.append(
            [str(details.grant_id), next((_terms(grant) for grant in grants if grant.id == details.grant_id), None)]
        )
    named = [change.hold_id for change in details.holds if change.verb is HoldVerb.HOLD]
    made += [[str(hold_id), next((_ends(hold) for hold in holds if hold.id == hold_id), None)] for hold_id in named]
    return made


def microseconds(at: datetime) -> int:
    """Since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def _terms(grant: Grant) -> list[int | None]:
    times = (grant.expires_at, grant.effective_at, grant.created_at)
    return [grant.amount, grant.priority, *(None if at is None else microseconds(at) for at in times)]


def _ends(hold: Hold) -> list[int]:
    return [hold.amount, microseconds(hold.expires_at), microseconds(hold.created_at)]


def hold_changes(changes: Iterable[HoldChange]) -> list[list[Any]]:
    """[[hold id, verb, units, [[grant id, held, remaining], …]], …]: the form in which entries keep them."""
    return [
        [
            str(change.hold_id),
            change.verb.value,
            change.units,
            [[str(part.grant_id), part.held, part.remaining] for part in change.parts],
        ]
        for change in changes
    ]
