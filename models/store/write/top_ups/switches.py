"""What operators switch off for all: charging."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, text

from models.domain.value import value

CHARGING: Final = "charging"
_IS_ON: Final = text("select coalesce((select is_on from switches where name = :name), true)")
_READ: Final = text("select is_on, set_at, set_by, reason from switches where name = :name")
_SET: Final = text("""
    insert into switches (name, is_on, set_at, set_by, reason)
    values (:name, :is_on, statement_timestamp(), :set_by, :reason)
    on conflict (name) do update set is_on = excluded.is_on, set_at = excluded.set_at, set_by = excluded.set_by,
        reason = excluded.reason
""")


@value(frozen=True, slots=True)
class Switch:
    is_on: bool
    set_at: datetime
    set_by: str
    reason: str | None


def is_on(connection: Connection, name: str) -> bool:
    """Whether it is on; one that nobody has ever set is."""
    return bool(connection.execute(_IS_ON, {"name": name}).scalar_one())


def read(connection: Connection, name: str) -> Switch | None:
    """Who set it last, and to what; None: nobody has."""
    row = connection.execute(_READ, {"name": name}).one_or_none()
    return None if row is None else Switch(row.is_on, row.set_at, row.set_by, row.reason)


def switch(connection: Connection, name: str, *, on: bool, by: str, reason: str | None) -> None:
    connection.execute(_SET, {"name": name, "is_on": on, "set_by": by, "reason": reason})
