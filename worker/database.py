"""The database as the settings describe it, and what a worker says while it does not answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog
from sqlalchemy import Engine

from models.store.connection.patience import Patience, Silence
from models.store.connection.session import make_engine
from models.store.server import roles
from models.store.server.privileges import READERS, WORKERS, Rights
from tasks.reminder import Reminder
from worker.settings.settings import Settings

_LOG: Final = structlog.get_logger(__name__)
_HELD: Final = "nothing is acknowledged until then, and it goes on by itself"
_SILENT_MAX_S: Final = 60.0  # of a server that does not say what it does
_STANDBY: Final = (
    "bring a standby of synchronous_standby_names back; take the name out and reload only where none can have been "
    "promoted meanwhile: from then on a failover may lose what was acknowledged"
)
_NO_ANSWER: Final = (
    "look at the database server and at the network on the way to it; the connection is given up in time"
)
_AT_WORK: Final = "look at the load of the database server, and for who holds locks"


def meaning_of(silence: Silence) -> tuple[str, str]:
    """What a silence of the database comes from, as far as it says, and what to do about it."""
    if silence.work is None:
        return "the server says nothing of our session, or does not answer at all", _NO_ANSWER
    if silence.for_standby:
        return "a commit waits for a synchronous standby", _STANDBY
    return f"our session {silence.work}", _AT_WORK


def engine_for(settings: Settings, *, any_tables: bool = False) -> Engine:
    """An engine with the timeouts and the pool size of the settings. Connects when it is first used, not before.

    `any_tables`: also where the tables are not those of this version. Otherwise that raises DeploymentFault.
    """
    return _engine(settings, checked=not any_tables)


def migrating_engine(
    settings: Settings,
    tell: Callable[[Silence], None],
    silent_max_s: float = _SILENT_MAX_S,
    *,
    schema: str | None = None,
) -> Engine:
    """An engine whose statements may take their time, as long as the server says that it works on them.

    `schema`: of a shard; None: that of the settings, or whatever search_path of the role leads to.
    """
    return make_engine(
        settings.owner_url or settings.database_url,
        pool_size=1,
        schema=schema or settings.schema_name,
        connect_timeout_s=settings.connect_timeout_s,
        lock_timeout_ms=0,
        statement_timeout_ms=0,
        patience=lambda _limit_s: Patience(silent_max_s, standbys=True, works=True, tell=tell),
    )


def reading_engine(settings: Settings) -> Engine:
    """The engine of who only looks: under a role that cannot write where there is one, in sessions that cannot."""
    return make_engine(
        settings.flower_database_url or settings.database_url,
        pool_size=settings.pool_size,
        connect_timeout_s=settings.connect_timeout_s,
        lock_timeout_ms=min(settings.lock_timeout_ms, settings.flower_statement_timeout_ms),
        statement_timeout_ms=settings.flower_statement_timeout_ms,
        checked=True,
        read_only=True,
        schema=settings.schema_name,
    )


def grant(settings: Settings, role: str, rights: Rights, schema: str | None = None) -> bool:
    """Grants a role what it needs, as the owner; one that a URL of the settings names is made with its password.
    Returns False when it is the owner itself."""
    given = (settings.database_url, settings.flower_database_url)
    passwords = [roles.password_of(url) for url in given if url is not None and roles.role_of(url) == role]
    engine = migrating_engine(settings, lambda _silence: None, schema=schema)
    try:
        return roles.grant(engine, role, passwords[0] if passwords else None, rights)
    finally:
        engine.dispose()


def grant_roles(settings: Settings, schema: str | None = None) -> tuple[str | None, str | None]:
    """The workers' role and the readers', where the settings name them beside the owner, once each has what it needs
    and no more."""
    if settings.owner_url is None:
        return None, None
    workers = roles.role_of(settings.database_url)
    readers = None if settings.flower_database_url is None else roles.role_of(settings.flower_database_url)
    return (
        workers if workers is not None and grant(settings, workers, WORKERS, schema) else None,
        readers if readers not in (None, workers) and grant(settings, readers, READERS, schema) else None,
    )


def worker_engine(settings: Settings, told_to_stop: Callable[[], bool]) -> Engine:
    """The engine of a process that applies jobs: what it waits for is said, and it stops when it is told to."""
    reminder = Reminder()

    def tell(silence: Silence) -> None:
        seconds, said, remedy = silence.seconds, *meaning_of(silence)
        if silence.for_standby:
            if reminder.due("database.commit_waits", ""):
                _LOG.error("database.commit_waits", seconds=seconds, error=said, next=f"{remedy}; {_HELD}")
        elif reminder.due("database.no_answer", remedy):
            _LOG.warning("database.no_answer", seconds=seconds, error=said, next=f"{remedy}; {_HELD}")

    def patience(limit_s: int) -> Patience:
        return Patience(limit_s, standbys=True, told_to_stop=told_to_stop, tell=tell)

    return _engine(settings, checked=True, indexes_only=True, patience=patience)


def _engine(
    settings: Settings, *, checked: bool, indexes_only: bool = False, patience: Callable[[int], Patience] = Patience
) -> Engine:
    return make_engine(
        settings.database_url,
        pool_size=settings.pool_size,
        connect_timeout_s=settings.connect_timeout_s,
        lock_timeout_ms=settings.lock_timeout_ms,
        statement_timeout_ms=settings.statement_timeout_ms,
        indexes_only=indexes_only,
        checked=checked,
        schema=settings.schema_name,
        patience=patience,
    )
