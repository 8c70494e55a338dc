"""The database, read as of one moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from models.store.connection.session import snapshot
from worker.cli.terminal.waiting import Waiting
from worker.database import engine_for
from worker.settings.settings import load_settings


@contextmanager
def reading(what: str) -> Iterator[Connection]:
    """A read-only transaction on the database of the settings. `what` is shown when it takes long."""
    engine = engine_for(load_settings())
    try:
        with Waiting(f"Reading {what}"), snapshot(engine) as connection:
            yield connection
    finally:
        engine.dispose()
