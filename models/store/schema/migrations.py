"""Migrations from Python: what `balance-worker migrate`, `up` and the tests call."""

from __future__ import annotations

from functools import cache
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, create_engine, pool, text
from sqlalchemy.schema import CreateSchema

# Citus may be told to distribute each schema as it is made; ours is when it has its tables (distribution.py).
_PLAIN: Final = text(
    "select set_config('citus.enable_schema_based_sharding', 'off', true) from pg_extension where extname = 'citus'"
)
_SCHEMA: Final = text("select to_regnamespace(:name)")


def upgrade(where: str | Engine, revision: str = "head") -> None:
    """Brings the database up to `revision`. Safe to run from many places at once. `where`: an engine, or a URL, on
    whose connections nothing is waited for with an end."""
    command.upgrade(_config(where), revision)


def make_schema(engine: Engine, name: str) -> bool:
    """Makes the schema of a shard, unless it is there. Returns whether it was made now."""
    with engine.begin() as connection:
        if schema_is_there(connection, name):  # asked first: who may make none may still use one
            return False
        connection.execute(_PLAIN)
        connection.execute(CreateSchema(name, if_not_exists=True))
    return True


def schema_is_there(connection: Connection, name: str) -> bool:
    return connection.scalar(_SCHEMA, {"name": name}) is not None


def downgrade(where: str | Engine, revision: str) -> None:
    """Takes the database down to `revision`; "base" removes every table of ours."""
    command.downgrade(_config(where), revision)


def current(where: str | Engine) -> str | None:
    """The revision that the database is at; None when it has never been migrated."""
    with _engine(where).connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


@cache
def head() -> str:
    """The newest revision that this version of the code knows."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None
    return revision


def knows(revision: str) -> bool:
    """Whether this version of the code has that revision, or had it on the way to its newest."""
    try:
        return ScriptDirectory.from_config(_config()).get_revision(revision) is not None
    except CommandError:
        return False


def _config(where: str | Engine | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", "models:migrations")
    if where is not None:
        config.attributes["engine"] = _engine(where)
    return config


def _engine(where: str | Engine) -> Engine:
    return where if isinstance(where, Engine) else create_engine(where, poolclass=pool.NullPool)
