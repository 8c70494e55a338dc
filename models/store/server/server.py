"""What the database server says of itself, as far as the guarantees rest on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import psycopg
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from models.domain.errors import TransientFault
from models.store.connection.new_connection import is_pooled
from models.store.connection.patience import PatientConnection
from models.store.connection.session import snapshot
from models.store.schema import revision
from models.store.schema.revision import Tables
from models.store.server import days, privileges, standbys
from models.store.server.days import Days
from models.store.server.diagnosis import Diagnosis, diagnose
from models.store.server.standbys import Standbys

_SETTINGS: Final = text("""
    select name, setting from pg_settings
    where name in ('fsync', 'full_page_writes', 'synchronous_commit', 'synchronous_standby_names', 'lock_timeout',
                   'statement_timeout', 'default_transaction_isolation', 'default_transaction_read_only',
                   'server_version', 'server_version_num', 'max_connections', 'superuser_reserved_connections')
""")
_STATE: Final = text("""
    select clock_timestamp() as at, pg_is_in_recovery() as standby,
           (select count(*) from pg_stat_activity where backend_type = 'client backend') as connections
""")
_UNLOGGED: Final = text("""
    select c.relname from unnest(cast(:tables as text[])) as wanted (name) join pg_class c on c.oid = to_regclass(name)
    where c.relpersistence <> 'p' order by 1
""")
_LETTERS: Final = text("select count(*) from dead_letters where status = 'parked'")


@dataclass(frozen=True, slots=True)
class Server:
    """`settings` as pg_settings has them in our session: times in milliseconds."""

    settings: dict[str, str]
    at: datetime  # its clock
    standby: bool  # still, or again: it can only be read
    standbys: Standbys | None  # None when it is one itself
    connections: int  # of all clients, ours included
    pooled: bool  # a pooler is between here and there
    tables: Tables | None  # None when this role may not look
    unlogged: list[str]  # tables of ours that a crash empties
    missing: list[str]  # privileges that we need and have not: "insert on jobs"
    beyond: list[str]  # what this role may do and does not need: "may delete on jobs"
    dead_letters: int | None  # None when that cannot be read
    days: Days | None  # of bodies; None when there are none, or that cannot be known


def examine(engine: Engine) -> Server | Diagnosis:
    """What the server says, or why it does not. Raises what is no trouble of the database's."""
    try:
        with snapshot(engine) as connection:
            return _look(connection)
    except (DBAPIError, TransientFault) as error:
        found = diagnose(error)
        if found is None:
            raise
        return found


def _look(connection: Connection) -> Server:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    state, missing = connection.execute(_STATE).one(), privileges.missing(connection)
    tables = None if "select on alembic_version" in missing else revision.look(driver)
    fit = tables is not None and revision.fault(tables) is None
    readable = fit and "select on dead_letters" not in missing
    return Server(
        settings={row.name: row.setting for row in connection.execute(_SETTINGS)},
        at=state.at,
        standby=state.standby,
        standbys=None if state.standby else standbys.look(connection),
        connections=state.connections,
        pooled=isinstance(driver, PatientConnection) and is_pooled(driver),
        tables=tables,
        unlogged=[*connection.execute(_UNLOGGED, {"tables": [*revision.COLUMNS]}).scalars()],
        missing=missing,
        beyond=privileges.beyond(connection),
        dead_letters=connection.scalar(_LETTERS) if readable else None,
        days=days.look(connection) if fit else None,
    )
