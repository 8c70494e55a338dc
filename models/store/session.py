"""Connections, the one commit, and which database errors mean "try again"."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from models.store.blame import fault, verdict


def make_engine(
    url: str,
    *,
    pool_size: int = 2,
    connect_timeout_s: int = 5,
    lock_timeout_ms: int = 5_000,
    statement_timeout_ms: int = 30_000,
    application_name: str = "balance-worker",
    indexes_only: bool = False,
) -> Engine:
    """An engine on which no statement can wait for ever. `url` starts with postgresql+psycopg://.

    `indexes_only`: for those who look up and write a few rows at a time. A connection plans how it checks a foreign key
    once; with a table that is small at that time it would read the whole table for each check, also when it has grown.
    """
    options = " ".join(
        f"-c {name}={value}"
        for name, value in {
            "lock_timeout": lock_timeout_ms,
            "statement_timeout": statement_timeout_ms,
            "idle_in_transaction_session_timeout": 2 * statement_timeout_ms,
            "default_transaction_isolation": r"read\ committed",
            "timezone": "UTC",
            **({"enable_seqscan": "off"} if indexes_only else {}),
        }.items()
    )
    arguments: dict[str, Any] = {
        "options": options,
        "connect_timeout": connect_timeout_s,
        "application_name": application_name,
        # A half-open connection is noticed, not waited on.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": max(statement_timeout_ms, 10_000),
    }
    return create_engine(
        url, pool_size=pool_size, max_overflow=0, pool_timeout=connect_timeout_s, connect_args=arguments
    )


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction, committed when the block ends well. Raises a Fault unless one of the jobs is to blame."""
    with _faults(), engine.connect() as connection, _sound(connection):
        yield connection
        connection.commit()


@contextmanager
def last_round_trip(connection: Connection) -> Iterator[None]:
    """Sends the statements of the block and the commit together; none of the statements may return rows.

    What fails is raised at the end, and nothing is committed then, unless the connection broke at the commit itself:
    whoever tries again finds its keys answered.
    """
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    try:
        with driver.pipeline():
            yield
            connection.commit()
    except (DBAPIError, psycopg.Error) as error:
        _roll_back(connection, driver, error)
        if isinstance(error, DBAPIError):
            raise
        # Raised by the pipeline and not seen by SQLAlchemy: it is raised like what it sees itself.
        raise DBAPIError.instance(
            None, None, error, psycopg.Error, connection_invalidated=connection.invalidated, dialect=connection.dialect
        ) from error


def _roll_back(connection: Connection, driver: psycopg.Connection[Any], cause: BaseException) -> None:
    """To SQLAlchemy a commit that failed is the end of a transaction; the server still waits for the rollback."""
    try:
        driver.rollback()
    except psycopg.Error:
        if not connection.invalidated:
            connection.invalidate(cause)


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A read-only transaction in which every query sees the same moment."""
    with (
        _faults(),
        engine.connect().execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True) as connection,
        _sound(connection),
    ):
        yield connection


@contextmanager
def _sound(connection: Connection) -> Iterator[None]:
    """Drops a connection whose session or server is the problem: the next one is another."""
    try:
        yield
    except DBAPIError as error:
        if verdict(error).session and not connection.invalidated:
            connection.invalidate(error)
        raise


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except (DBAPIError, PoolTimeout) as error:
        found = fault(error)
        if found is None:
            raise
        raise found from error
