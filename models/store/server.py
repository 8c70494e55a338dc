"""What the database server says of itself, as far as the guarantees rest on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from models.domain.errors import TransientFault
from models.store import schema
from models.store.diagnosis import Diagnosis, diagnose
from models.store.session import snapshot
from models.tables.base import Base
from models.tables.ledger import Entry

_SETTINGS: Final = text("""
    select name, setting from pg_settings
    where name in ('fsync', 'full_page_writes', 'synchronous_commit', 'synchronous_standby_names', 'lock_timeout',
                   'statement_timeout', 'default_transaction_isolation', 'server_version', 'server_version_num',
                   'max_connections', 'superuser_reserved_connections')
""")
_STATE: Final = text("""
    select clock_timestamp() as at, pg_is_in_recovery() as read_only,
           (select count(*) from pg_stat_activity where backend_type = 'client backend') as connections,
           to_regclass('alembic_version') is not null as migrated
""")
_PRIVILEGE: Final = text("select has_table_privilege(:table, :privilege)")
_LETTERS: Final = text("select count(*) from dead_letters where status = 'parked'")


@dataclass(frozen=True, slots=True)
class Server:
    """`settings` as pg_settings has them in our session: times in milliseconds."""

    settings: dict[str, str]
    at: datetime  # its clock
    read_only: bool  # a standby
    connections: int  # of all clients, ours included
    revision: str | None  # of the migrations; None when there are no tables
    missing: list[str]  # privileges that we need and have not: "insert on jobs"
    rewriting: list[str]  # privileges on the ledger that nobody but its owner should have
    dead_letters: int | None  # None when that cannot be read


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
    settings: dict[str, str] = {row.name: row.setting for row in connection.execute(_SETTINGS)}
    state = connection.execute(_STATE).one()
    revision = connection.scalar(text("select version_num from alembic_version")) if state.migrated else None
    current = revision == schema.head()
    missing = (
        [f"{privilege} on {table}" for table, privilege in _needed() if not _may(connection, table, privilege)]
        if current
        else []
    )
    rewriting = (
        [each for each in ("update", "delete", "truncate") if _may(connection, Entry.__tablename__, each)]
        if current
        else []
    )
    letters = connection.scalar(_LETTERS) if current and _may(connection, "dead_letters", "select") else None
    return Server(
        settings=settings, at=state.at, read_only=state.read_only, connections=state.connections, revision=revision,
        missing=missing, rewriting=rewriting, dead_letters=letters,
    )  # fmt: skip


def _needed() -> list[tuple[str, str]]:
    """(table, privilege): every table is read and added to."""
    return [(table.name, privilege) for table in Base.metadata.sorted_tables for privilege in ("select", "insert")]


def _may(connection: Connection, table: str, privilege: str) -> bool:
    return bool(connection.scalar(_PRIVILEGE, {"table": table, "privilege": privilege}))
