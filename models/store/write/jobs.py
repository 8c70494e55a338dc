"""Settled jobs: found by their key, written once with their answer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, text

from models.batch.records import Identity, SettledJob, StoredJob
from models.domain.evidence.chains import Record, RecordKind, plain
from models.domain.idempotency import canonical, noted
from models.domain.outcome import Code, Status
from models.store.write import journals as records
from models.store.write import rows
from models.tables import jobs as tables

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


def find(connection: Connection, identities: Collection[Identity]) -> tuple[datetime, dict[Identity, StoredJob]]:
    """The database's time now, and the jobs that have been settled under these keys."""
    found: dict[Identity, StoredJob] = {}
    producers, keys = zip(*identities, strict=True) if identities else ((), ())
    result = connection.execute(_FIND, {"producers": rows.texts(producers), "keys": rows.texts(keys)})
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
