"""What a decision is made from and what it consists of."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import field
from datetime import datetime
from uuid import UUID

from models.domain.accounts import Account, AccountKey, Face
from models.domain.commands import Job
from models.domain.events import EventType
from models.domain.ledger import Entry, EntryKind, Note
from models.domain.outcome import Code
from models.domain.value import value


@value(frozen=True, slots=True)
class Limits:
    """Rules that an operator sets."""

    max_amount_kopeks: int = 100_000_000


@value(frozen=True, slots=True)
class Facts:
    """What a decision may know beyond its account. All of it was read under the account's lock."""

    now: datetime  # the database's clock: one for all workers
    limits: Limits = field(default_factory=Limits)
    new_ids: Mapping[AccountKey, int] = field(default_factory=dict)  # ids set aside for accounts not there yet
    telegram_owners: Mapping[int, AccountKey] = field(default_factory=dict)
    originals: Mapping[UUID, Entry] = field(default_factory=dict)  # entries that a reversal names, by their job
    reversed: AbstractSet[tuple[int, int]] = frozenset()  # (account id, seq) of entries taken back already


@value(frozen=True, slots=True)
class Decision:
    """A job that is carried out. One that is not is a Refusal, and changes nothing."""

    account: Account  # as it is afterwards
    code: Code = Code.APPLIED
    entry: Entry | None = None
    events: tuple[EventType, ...] = ()


def opened(key: AccountKey, facts: Facts, unit: str, scale: int, face: Face, floor: int = 0) -> Account:
    """A new account: empty, with the id that was set aside for it."""
    return Account(
        id=facts.new_ids[key],
        key=key,
        unit=unit,
        scale=scale,
        balance=0,
        seq=0,
        floor=floor,
        head=b"",
        set_at=None,
        created_at=facts.now,
        updated_at=facts.now,
        face=face,
    )


def note(
    job: Job, facts: Facts, kind: EntryKind, reason: str | None, description: str | None, *, listed: bool = True
) -> Note:
    """The note of an entry that this job writes."""
    return Note(kind, job.id, facts.now, reason, description, job.metadata or None, listed)
