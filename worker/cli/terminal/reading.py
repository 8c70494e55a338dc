"""The database, read as of one moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from worker.cli.terminal.waiting import Waiting

if TYPE_CHECKING:
    from sqlalchemy import Connection


@contextmanager
def reading(what: str) -> Iterator[Connection]:
    """A read-only transaction on the database of the settings. `what` is shown when it takes long."""
    from models.store.connection.session import snapshot
    from worker.database import engine_for
    from worker.settings.settings import load_settings

    engine = engine_for(load_settings())
    try:
        with Waiting(f"Reading {what}"), snapshot(engine) as connection:
            yield connection
    finally:
        engine.dispose()
