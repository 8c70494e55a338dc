"""What jobs asked, as long as it is kept: written with them, a day to a partition, and taken away with the day."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

from models.batch.records import SettledJob
from models.domain.idempotency import noted
from models.store.write import rows
from models.tables import jobs as tables

BODY: Final = "cast(coalesce(j.body, b.body) as text)"
JOIN: Final = "left join job_bodies b on b.job_id = j.id"
"""What the job `j` asked: a job that is older than the table has it in its own row."""
_OF_JOBS: Final = text(f"select j.id, {BODY} as body from jobs j {JOIN} where j.id = any(cast(:ids as uuid[]))")  # noqa: S608 - our own columns
_KEPT: Final = text("lock table job_bodies in access share mode")


def insert(connection: Connection, settled: Sequence[SettledJob]) -> None:
    """Writes what these jobs asked, in the order of their ids: they go to the end of the index."""
    jobs = [item.job for item in settled]
    bodies = [rows.raw(noted(job.meaning, job.metadata)) for job in jobs]
    rows.insert(connection, tables.JobBody, {"job_id": [job.id for job in jobs], "body": bodies})


def of_jobs(connection: Connection, ids: Collection[UUID]) -> dict[UUID, str | None]:
    """What these jobs asked, canonical JSON with the publisher's note; None once pruned."""
    return {row.id: row.body for row in connection.execute(_OF_JOBS, {"ids": list(ids)})} if ids else {}


def keep(connection: Connection) -> None:
    """No day is taken away before this transaction is over. To be called first in one that sees a single moment: a day
    that goes is gone for those as well who see the moment before."""
    connection.execute(_KEPT)
