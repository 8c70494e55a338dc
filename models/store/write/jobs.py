"""Settled jobs: found by their key, written once with their answer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

from models.batch.records import Identity, SettledJob, StoredJob
from models.domain.deciding.commands import Job
from models.domain.evidence.chains import Record, RecordKind, plain
from models.domain.idempotency import canonical
from models.domain.outcome import Code, Status
from models.store.connection.arrays import texts
from models.store.write import bodies, rows
from models.store.write import journals as records
from models.tables import jobs as tables

_FIND: Final = text("""
    select clock.now, found.*
    from (select clock_timestamp() as now) as clock
    left join (
        select j.id, j.producer, j.idempotency_key, j.name, j.fingerprint, j.status, j.code,
               cast(j.outcome as text) as outcome
        from jobs j
        join unnest(cast(:producers as text[]), cast(:keys as text[])) as wanted (producer, key)
          on j.producer = wanted.producer and j.idempotency_key = wanted.key
    ) as found on true
""")
# A function of the migrations, which runs as the owner: this role may neither change a job nor delete an event.
_PRUNE: Final = text("select pruned as jobs, until from prune_jobs(:days, :limit)")


def find(connection: Connection, asked: Collection[Job]) -> tuple[datetime, dict[Identity, StoredJob]]:
    """The database's time now, and the jobs that have been settled under the keys of these.

    What was asked then is read only where something else is asked now: whoever repeats a job asks for its answer.
    """
    found: dict[Identity, StoredJob] = {}
    identities = {(job.producer, job.key) for job in asked}
    producers, keys = zip(*identities, strict=True) if identities else ((), ())
    result = connection.execute(_FIND, {"producers": texts(producers), "keys": texts(keys)})
    now: datetime | None = None
    for row in result.all():
        now = row.now
        if row.id is not None:
            found[row.producer, row.idempotency_key] = StoredJob(
                row.id, row.name, bytes(row.fingerprint), Status(row.status), Code(row.code), None, row.outcome
            )
    assert now is not None
    if found:
        _read_bodies(connection, asked, found)
    return now, found


def _read_bodies(connection: Connection, asked: Collection[Job], found: dict[Identity, StoredJob]) -> None:
    differing: dict[UUID, Identity] = {}
    for job in asked:
        known = found.get((job.producer, job.key))
        if known is not None and known.fingerprint != job.fingerprint:
            differing[known.id] = job.producer, job.key
    for job_id, body in bodies.of_jobs(connection, differing).items():
        found[differing[job_id]] = replace(found[differing[job_id]], body=body)


def insert(connection: Connection, settled: Sequence[SettledJob]) -> None:
    """Writes settled jobs, keys sorted. A key that another transaction has just used raises KeyRace."""
    ordered = sorted(settled, key=lambda item: (item.job.producer, item.job.key))
    jobs = [item.job for item in ordered]
    rows.insert(
        connection,
        tables.Job,
        {
            "id": [job.id for job in jobs],
            "producer": [job.producer for job in jobs],
            "idempotency_key": [job.key for job in jobs],
            "name": [job.name for job in jobs],
            "fingerprint": [job.fingerprint for job in jobs],
            "account_id": [item.account_id for item in ordered],
            "status": [item.status for item in ordered],
            "code": [item.code for item in ordered],
            "outcome": [rows.raw(item.outcome) for item in ordered],
            "settled_at": [item.settled_at for item in ordered],
            "events": [item.events for item in ordered],
        },
    )
    bodies.insert(connection, settled)


def prune(connection: Connection, older_than_days: int, limit: int) -> int:
    """Drops the bodies of old jobs: days that are over for so long, and up to `limit` of those in no day. Keys,
    fingerprints and answers stay for ever. Returns how many; of a whole day as many as its statistics say, at least 1.

    That they were pruned is recorded: a body that is gone otherwise was taken away.
    """
    # First of all: whoever has one waits for no account, and may wait for what is locked while a day is dropped.
    journal = records.take(connection)
    pruned = connection.execute(_PRUNE, {"days": older_than_days, "limit": limit}).one()
    if pruned.jobs:
        content = canonical({"jobs": pruned.jobs, "until": plain(pruned.until)})
        records.append(connection, journal, [Record(RecordKind.PRUNED, content)])
    return int(pruned.jobs)
