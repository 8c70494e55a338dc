"""What became of keys: a statement for as many of them as come at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

from models.domain.accounts import AccountKey, Kind
from models.domain.letters import LetterStatus
from models.domain.outcome import Code, Status
from models.store.read.dead_letters import LetterSummary, whole
from models.store.read.jobs import JobDetails, JobFilter, job, jobs

_SETTLED: Final = text("""
    select j.idempotency_key, j.id, j.status, j.code, a.kind, a.ref, a.scale, e.amount
    from unnest(cast(:keys as text[])) as wanted (key)
    join jobs j on j.producer = :producer and j.idempotency_key = wanted.key
    left join entries e on e.job_id = j.id and e.part = 0
    left join accounts a on a.id = coalesce(j.account_id, e.account_id)
""")
_LETTERS: Final = text("""
    select id from dead_letters
    where idempotency_key = :key and (cast(:producer as text) is null or producer = :producer)
    order by last_seen desc limit :limit
""")
_LETTERS_OF: Final = text("""
    select j.id, l.status from jobs j
    cross join lateral (
        select status from dead_letters
        where idempotency_key = j.idempotency_key and producer = j.producer order by last_seen desc limit 1) as l
    where j.id = any(cast(:job_ids as uuid[]))
""")


@dataclass(frozen=True, slots=True)
class KeyTold:
    """What the ledger knows of a key."""

    jobs: tuple[JobDetails, ...]  # of each producer that used it
    letters: tuple[LetterSummary, ...]


@dataclass(frozen=True, slots=True)
class SettledKey:
    """What a key was answered."""

    key: str
    job_id: UUID
    status: Status
    code: Code
    account: AccountKey | None
    scale: int | None
    amount: int | None  # of its own entry, in units; None: it wrote none


def settled_keys(connection: Connection, producer: str, keys: Sequence[str]) -> dict[str, SettledKey]:
    """Those of the producer's keys that are settled, by the key."""
    found = connection.execute(_SETTLED, {"producer": producer, "keys": list(keys)})
    return {
        row.idempotency_key: SettledKey(
            row.idempotency_key,
            row.id,
            Status(row.status),
            Code(row.code),
            None if row.kind is None else AccountKey(Kind(row.kind), row.ref),
            row.scale,
            row.amount,
        )
        for row in found
    }


def told_of(connection: Connection, key: str, producer: str | None, limit: int) -> KeyTold:
    """All that the ledger knows of a key, of a producer or of any: up to `limit` jobs and letters."""
    found = (job(connection, each.id) for each in jobs(connection, JobFilter(key=key, producer=producer), limit).rows)
    settled = tuple(each for each in found if each is not None)
    return KeyTold(settled, letters_under(connection, producer, key, limit))


def letters_of(connection: Connection, job_ids: Sequence[UUID]) -> dict[UUID, LetterStatus]:
    """Those of these jobs whose message was a dead letter at some time, and what has become of the latest."""
    found = connection.execute(_LETTERS_OF, {"job_ids": list(job_ids)})
    return {row.id: LetterStatus(row.status) for row in found}


def letters_under(connection: Connection, producer: str | None, key: str, limit: int) -> tuple[LetterSummary, ...]:
    """Up to `limit` dead letters with this key, of a producer or of any, the one seen first first."""
    found = connection.execute(_LETTERS, {"producer": producer, "key": key, "limit": limit})
    return whole(connection, [*found.scalars()])
