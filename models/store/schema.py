"""Migrations from Python: what `balance-worker migrate`, `up` and the tests call."""

from __future__ import annotations

from functools import cache

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import create_engine, pool


def upgrade(url: str, revision: str = "head") -> None:
    """Brings the database at `url` up to `revision`. Safe to run from many places at once."""
    command.upgrade(_config(url), revision)


def downgrade(url: str, revision: str) -> None:
    """Takes the database down to `revision`; "base" removes every table of ours."""
    command.downgrade(_config(url), revision)


def current(url: str) -> str | None:
    """The revision that the database is at; None when it has never been migrated."""
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


@cache
def head() -> str:
    """The newest revision that this version of the code knows."""
    revision = ScriptDirectory.from_config(_config("")).get_current_head()
    assert revision is not None
    return revision


def knows(revision: str) -> bool:
    """Whether this version of the code has that revision, or had it on the way to its newest."""
    try:
        return ScriptDirectory.from_config(_config("")).get_revision(revision) is not None
    except CommandError:
        return False


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", "models:migrations")
    config.attributes["url"] = url
    return config
