"""Roles as the owner of the tables makes and keeps them: each with what it needs, and no more."""

from __future__ import annotations

from typing import Any, Final

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine, make_url, text

from models.domain.errors import DeploymentFault
from models.store.connection.session import transaction
from models.store.server.privileges import SEQUENCE, USE_OF_SEQUENCE, WORKERS, Rights, statements

_LOCK: Final = 4_242_007_002  # two that grant at once would change the same rows of the catalogue
_NAMED: Final = text("select rolname = current_user from pg_roles where rolname = :role")
_CITUS: Final = text("select to_regclass('pg_catalog.pg_dist_partition') is not null")
_ON_NODES: Final = text("select result from run_command_on_workers(:statement) where not success")
_DATABASE: Final = text("select quote_ident(current_database()), quote_ident(current_schema())")


def role_of(url: str) -> str | None:
    """The role that a database URL connects as; None when it does not say."""
    return make_url(url).username


def password_of(url: str) -> str | None:
    """The password in a database URL."""
    password = make_url(url).password
    return None if password is None else str(password)


def quoted(role: str) -> str:
    """The role's name as SQL has it."""
    return role if role.isidentifier() and role == role.lower() and role.isascii() else sql.Identifier(role).as_string()


def grant(engine: Engine, role: str, password: str | None = None, rights: Rights = WORKERS) -> bool:
    """Has the role hold these rights and no others on our tables; where it is not there it is made, with this
    password. The engine is the owner's. Returns False when the role is the owner's own: nothing can be taken from it.
    """
    with transaction(engine) as connection:
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        own = connection.scalar(_NAMED, {"role": role})
        if own:
            return False
        name = quoted(role)
        if own is None:
            _make(connection, role, name, password)
        database, schema = connection.execute(_DATABASE).one()
        where = [f"grant connect on database {database} to {name}", f"grant usage on schema {schema} to {name}"]
        for statement in (*where, *statements(name, rights)):
            connection.exec_driver_sql(statement)
        _grant_on_nodes(connection, name, schema, rights)
    return True


def _grant_on_nodes(connection: Connection, name: str, schema: str, rights: Rights) -> None:
    """Citus carries rights on tables over to its nodes, and not those on sequences."""
    if USE_OF_SEQUENCE not in rights.more or not connection.scalar(_CITUS):
        return
    asked = f"grant usage on sequence {schema}.{SEQUENCE} to {name}"
    failed = connection.execute(_ON_NODES, {"statement": asked}).scalars().all()
    if failed:
        raise DeploymentFault(f"on a node of Citus: {failed[0]}", f"as a superuser of it: {asked}")


def _make(connection: Connection, role: str, name: str, password: str | None) -> None:
    connection.exec_driver_sql(f"create role {name} login")
    if password is not None:  # hashed here, so that no log of the server's ever shows it
        driver: Any = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        hashed = driver.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
        connection.exec_driver_sql(f"alter role {name} password '{hashed}'")
