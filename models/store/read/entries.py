"""Entries, for a person who looks: an account's, a job's, and those that take one another back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

from models.domain.ledger import Entry
from models.store.read.page import Page
from models.store.write import entries

_OF_ACCOUNT: Final = text(f"""
    select {entries.COLUMNS} from entries e join accounts a on a.id = e.account_id
    where e.account_id = :account_id and (cast(:before as bigint) is null or e.seq < :before)
    order by e.seq desc limit :limit
""")  # noqa: S608 - our own column list
_REVERSALS: Final = text("""
    select seq, job_id, created_at, amount from entries where account_id = :account_id and reverses = :seq order by seq
""")
_REVERSED: Final = text("""
    select seq, job_id, created_at, amount from entries where account_id = :account_id and seq = :seq
""")

_TERMS: Final = text("select id, priority, expires_at from grants where id = any(cast(:ids as uuid[]))")


@dataclass(frozen=True, slots=True)
class GrantTerms:
    """How the credits that an entry made may be used."""

    priority: int | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class RelatedEntry:
    """An entry that takes another one of the same account back, in whole or in part, or that is taken back."""

    seq: int
    job_id: UUID  # which wrote it
    created_at: datetime
    amount: int  # units of the account


def entries_of(connection: Connection, account_id: int, limit: int, before: int | None = None) -> Page[Entry]:
    """Up to `limit` entries of an account, the newest first, from before entry number `before`."""
    parameters = {"account_id": account_id, "limit": limit, "before": before}
    found = [entries.from_row(dict(row)) for row in connection.execute(_OF_ACCOUNT, parameters).mappings()]
    return Page(tuple(found), more=bool(found) and found[-1].seq > 1)  # they are numbered from 1 without a gap


def terms_of(connection: Connection, entries: Iterable[Entry]) -> dict[UUID, GrantTerms]:
    """The terms of the grants that these entries made, by grant."""
    ids = [each.details.grant_id for each in entries if each.details.grant_id is not None and each.amount > 0]
    found = connection.execute(_TERMS, {"ids": ids}) if ids else ()
    return {row.id: GrantTerms(row.priority, row.expires_at) for row in found}


def entries_of_job(connection: Connection, job_id: UUID) -> tuple[Entry, ...]:
    """The entries that a job wrote: none, one, or two with a bonus."""
    found = entries.of_jobs(connection, [job_id]).get(job_id)
    return () if found is None else found.entries


def reversals_of(connection: Connection, entry: Entry) -> tuple[RelatedEntry, ...]:
    """The entries that took this one back, or parts of it, in their order."""
    found = connection.execute(_REVERSALS, {"account_id": entry.account_id, "seq": entry.seq})
    return tuple(RelatedEntry(*row) for row in found)


def reversed_by(connection: Connection, entry: Entry) -> RelatedEntry | None:
    """The entry that this one takes back; None when it takes none back."""
    found = connection.execute(_REVERSED, {"account_id": entry.account_id, "seq": entry.details.reverses}).first()
    return None if found is None else RelatedEntry(*found)
