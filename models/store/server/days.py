"""The days that bodies of jobs have: partitions that are made beforehand, and what came when a day had none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from sqlalchemy import Connection, text

_LOOK: Final = text("""
    select pg_relation_size('job_bodies_rest') as rest, to_regclass('pg_catalog.pg_dist_partition') is null as made, (
        select max(c.relname) from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = cast('job_bodies' as regclass) and c.relname ~ '^job_bodies_[0-9]{8}$'
    ) as last
""")


@dataclass(frozen=True, slots=True)
class Days:
    """`last`: the last day that has a partition; None: none has. `rest_bytes`: of bodies whose day had none."""

    last: date | None
    rest_bytes: int


def look(connection: Connection) -> Days | None:
    """None where bodies have no days: on Citus (docs/decisions/0030)."""
    found = connection.execute(_LOOK).one()
    if not found.made:
        return None
    last = None if found.last is None else datetime.strptime(found.last[-8:], "%Y%m%d").replace(tzinfo=UTC).date()
    return Days(last, found.rest)
