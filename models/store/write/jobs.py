"""Settled jobs: found by their key, written once with their answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

from models.domain.deciding.commands import Job
from models.domain.evidence.chains import Record, RecordKind, plain
from models.domain.idempotency import canonical, noted
from models.domain.outcome import Code, Status
from models.domain.value import value
from models.store.write import journals as records
from models.store.write import rows
from models.tables import jobs as tables

Identity = tuple[str, str]
"""(producer, idempotency key)"""

_FIND: Final = text("""
    select clock.now, found.*
    from (select clock_timestamp() as now) as clock
    left join (
        select j.id, j.producer, j.idempotency_key, j.name, j.fingerprint, j.status, j.code,
               cast(j.body as text) as body, cast(j.outcome as text) as outcome
        from jobs j
        join unnest(cast(:producers as text[]), cast(:keys as text[])) as wanted (producer, key)
          on j.producer = wanted.producer and j.idempotency_key = wanted.key
    ) as found on true
""")
# A function of the migrations, which runs as the owner: this role may neither change a job nor delete an event.
_PRUNE: Final = text("select pruned as jobs, until from prune_jobs(:days, :limit)")


@value(frozen=True, slots=True)
class StoredJob:
    id: UUID
    name: str
    fingerprint: bytes
    status: Status
    code: Code
    body: str | None  # canonical JSON of what was asked, and the publisher's note; None once pruned
    outcome: str  # the document, JSON


@value(frozen=True, slots=True)
class SettledJob:
    """A job with its answer, about to be written."""

    job: Job
    account_id: int | None  # where it wrote no entry: the entry says it otherwise, and need not say it twice
    status: Status
    code: Code
    outcome: str
    settled_at: datetime
    events: int | None  # told, by bits: models/domain/events.py; None: settled before there were records


def find(connection: Connection, identities: Iterable[Identity]) -> tuple[datetime, dict[Identity, StoredJob]]:
    """The database's time now, and the jobs that have been settled under these keys."""
    wanted = list(identities)
    found: dict[Identity, StoredJob] = {}
    result = connection.execute(
        _FIND, {"producers": [producer for producer, _ in wanted], "keys": [key for _, key in wanted]}
    )
    now: datetime | None = None
    for row in result.all():
        now = row.now
        if row.id is not None:
            found[row.producer, row.idempotency_key] = StoredJob(
                row.id, row.name, bytes(row.fingerprint), Status(row.status), Code(row.code), row.body, row.outcome
            )
    assert now is not None
    return now, found


def insert(connection: Connection, settled: Sequence[SettledJob]) -> None:
    """Writes settled jobs, keys sorted. A key that another transaction has just used raises KeyRace."""
    ordered = sorted(settled, key=lambda item: (item.job.producer, item.job.key))
    rows.insert(
        connection,
        tables.Job,
        [
            {
                "id": item.job.id,
                "producer": item.job.producer,
                "idempotency_key": item.job.key,
                "name": item.job.name,
                "fingerprint": rows.hexed(item.job.fingerprint),
                "account_id": item.account_id,
                "status": item.status.value,
                "code": item.code.value,
                "body": rows.raw(noted(item.job.meaning, item.job.metadata)),
                "outcome": rows.raw(item.outcome),
                "settled_at": item.settled_at,
                "events": item.events,
            }
            for item in ordered
        ],
    )


def prune(connection: Connection, older_than_days: int, limit: int) -> int:
    """Drops bodies and events of up to `limit` old jobs; keys, fingerprints and answers stay for ever.

    That they were pruned is recorded: a body or an event that is gone otherwise was taken away.
    """
    pruned = connection.execute(_PRUNE, {"days": older_than_days, "limit": limit}).one()
    if pruned.jobs:
        content = canonical({"jobs": pruned.jobs, "until": plain(pruned.until)})
        records.append(connection, records.take(connection), [Record(RecordKind.PRUNED, content)])
    return int(pruned.jobs)
