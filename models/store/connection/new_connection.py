"""What is done with each connection before it is used: its session gets its settings, and is looked at.

The settings are set, and not given in the parameter `options`: a pooler in session mode takes none. One in transaction
mode would give every transaction another session, with other settings and other prepared statements: it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import psycopg

from models.domain.errors import DeploymentFault
from models.store.connection.patience import Patience, PatientConnection, Session, connect
from models.store.schema import revision

POOLER: Final = "connect to PostgreSQL itself, or let the pooler be in session mode: docs/deployment.md, PgBouncer"
_SET: Final = """
    select set_config(name, value, false) from unnest(%s::text[], %s::text[]) as setting (name, value)
"""
_SESSION: Final = """
    select pg_backend_pid(), (select backend_start from pg_stat_activity where pid = pg_backend_pid())
"""
_PID: Final = "select pg_backend_pid()"


def open_session(
    patience: Patience, settings: Mapping[str, str], words: tuple[Any, ...], parameters: Mapping[str, Any]
) -> PatientConnection:
    """A connection whose session has these settings.

    Raises psycopg.Error, and DeploymentFault when there is no session to be had that stays ours.
    """
    connection = connect(patience, *words, **parameters)
    try:
        connection.autocommit = True
        [(pid, began)] = connection.execute(_SESSION, prepare=False).fetchall()
        connection.session = Session(pid, began)
        if is_pooled(connection) and _is_shared(connection):  # before anything is set: it would be set for others
            raise DeploymentFault("a pooler in transaction mode is between here and PostgreSQL", POOLER)
        connection.execute(_SET, [[*settings], [*settings.values()]], prepare=False)
        connection.autocommit = False
    except BaseException:
        connection.close()
        raise
    return connection


def check_tables(connection: PatientConnection) -> None:
    """Raises DeploymentFault when the session does not see the tables of this version: what is answered is answered
    for ever."""
    connection.autocommit = True
    if fault := revision.fault(revision.look(connection)):
        raise fault
    connection.autocommit = False


def is_pooled(connection: PatientConnection) -> bool:
    """Whether a pooler is in between: it says another process id than the session has."""
    assert connection.session is not None
    return connection.session.pid != connection.info.backend_pid


def _is_shared(connection: PatientConnection) -> bool:
    """Whether another client comes to have our session as soon as a transaction of ours is over."""
    assert connection.ask is not None
    ours = _pid(connection)
    try:
        with connection.ask() as other:
            for _ in range(3):
                if _pid(other) == ours or _pid(connection) != ours:
                    return True
    except psycopg.Error:
        return False  # it waits in line for a session of its own
    return False


def _pid(connection: psycopg.Connection[Any]) -> int:
    [(pid,)] = connection.execute(_PID, prepare=False).fetchall()
    return int(pid)
