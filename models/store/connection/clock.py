"""The database's time, for statements that may not ask for it themselves.

On Citus a statement that inserts what it selects is given whole to the node that has the schema only when none of its
functions changes with time; neither may any of one that updates, unless it says the same all through the statement.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, text

_NOW: Final = text("select clock_timestamp()")


def now(connection: Connection) -> datetime:
    found: datetime = connection.execute(_NOW).scalar_one()
    return found
