"""Alembic's entry point: one migration at a time, whatever number of deployments start at once."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, text

from models.tables.every import METADATA

_LOCK = 4_242_007_001


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=METADATA, compare_type=True)
    with context.begin_transaction():
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    _migrate(given)
else:
    with context.config.attributes["engine"].connect() as own:
        _migrate(own)
