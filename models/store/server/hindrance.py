"""What would keep jobs from being applied, found without applying any."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from models.domain.errors import Fault
from models.store.connection.first_line import first_line
from models.store.connection.session import snapshot
from models.store.server import privileges

_STATE: Final = text("""
    select clock_timestamp() as at, pg_is_in_recovery() as standby,
           current_setting('default_transaction_read_only')::bool as read_only
""")


@dataclass(frozen=True, slots=True)
class Hindrance:
    """Something that is not as it must be, and what to do about it."""

    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Look:
    """`at`: its clock; None when no session is to be had. `hindrance` None: a job would be applied, as far as can be
    seen."""

    at: datetime | None
    hindrance: Hindrance | None


def look(engine: Engine) -> Look:
    """Lasts as long as connecting does. The engine is one that looks at the tables when it connects."""
    at: datetime | None = None
    try:
        with snapshot(engine) as connection:
            state = connection.execute(_STATE).one()
            at = state.at
            return Look(at, _hindrance(connection, state))
    except Fault as fault:
        return Look(at, Hindrance(str(fault), fault.next_step))
    except DBAPIError as error:
        return Look(at, Hindrance(first_line(error), "look at the log of the database server"))


def _hindrance(connection: Connection, state: Any) -> Hindrance | None:
    if state.standby or state.read_only:
        what = "a standby" if state.standby else "default_transaction_read_only is on"
        return Hindrance(
            f"the database is read-only: {what}",
            "let BALANCE_DATABASE_URL name the primary, promote this server, or make it writable",
        )
    if missing := privileges.missing(connection):
        return Hindrance(f"missing privileges: {', '.join(missing)}", "grant them: `balance-worker grants` says how")
    return None
