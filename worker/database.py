"""The database as the settings describe it."""

from __future__ import annotations

from sqlalchemy import Engine

from models.store.session import make_engine
from worker.settings import Settings


def engine_for(settings: Settings, *, indexes_only: bool = False) -> Engine:
    """An engine with the timeouts and the pool size of the settings. Connects when it is first used, not before."""
    return make_engine(
        settings.database_url,
        pool_size=settings.pool_size,
        connect_timeout_s=settings.connect_timeout_s,
        lock_timeout_ms=settings.lock_timeout_ms,
        statement_timeout_ms=settings.statement_timeout_ms,
        indexes_only=indexes_only,
    )
