"""Connections, the one commit, and which database errors mean "try again"."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import msgspec
import psycopg
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from models.domain.errors import TransientFault
from models.store.connection import whereabouts
from models.store.connection.new_connection import check_tables, open_session
from models.store.connection.patience import Patience, PatientConnection
from models.store.connection.sqlstate import fault, verdict

ANSWERING_S: Final = 5  # on top of what a statement may take


def make_engine(
    url: str,
    *,
    pool_size: int = 2,
    connect_timeout_s: int = 5,
    lock_timeout_ms: int = 5_000,
    statement_timeout_ms: int = 30_000,
    application_name: str = "balance-worker",
    indexes_only: bool = False,
    checked: bool = False,
    read_only: bool = False,
    schema: str | None = None,
    patience: Callable[[int], Patience] = Patience,
) -> Engine:
    """An engine on which nothing is waited for without end. `url` starts with postgresql+psycopg://.

    `indexes_only`: for those who look up and write a few rows at a time. A connection plans how it checks a foreign key
    once; with a table that is small at that time it would read the whole table for each check, also when it has grown.
    `read_only`: for those who look: the server refuses whatever else they might come to send.
    `checked`: only sessions that see the tables of this version are used; others raise DeploymentFault.
    `schema`: which has the tables, alone: those of one shard. None: whatever search_path of the role leads to.
    `patience`: made of the seconds that the server may need for a statement.
    """
    settings = {
        "lock_timeout": str(lock_timeout_ms),
        "statement_timeout": str(statement_timeout_ms),
        "idle_in_transaction_session_timeout": str(2 * statement_timeout_ms),
        "default_transaction_isolation": "read committed",
        "timezone": "UTC",
        "row_security": "off",  # what a policy hides would be an account that is not there: an error instead
        **({"enable_seqscan": "off"} if indexes_only else {}),
        **({"default_transaction_read_only": "on"} if read_only else {}),
        **({} if schema is None else {"search_path": schema}),
    }
    arguments: dict[str, Any] = {
        "connect_timeout": connect_timeout_s,
        "application_name": application_name,
        # A half-open connection is noticed, not waited on.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": max(statement_timeout_ms, 10_000),
    }
    bearing = patience(statement_timeout_ms // 1000 + ANSWERING_S)
    engine = create_engine(
        url, pool_size=pool_size, max_overflow=0, pool_timeout=connect_timeout_s, connect_args=arguments,
        json_deserializer=_json,
    )  # fmt: skip

    def connect(_dialect: Any, _record: Any, words: list[Any], parameters: dict[str, Any]) -> PatientConnection:
        connection = open_session(bearing, settings, tuple(words), parameters)
        whereabouts.note(connection)
        if checked:
            try:
                check_tables(connection)
            except BaseException:
                connection.close()
                raise
        return connection

    event.listen(engine, "do_connect", connect)
    return engine


def _json(text: bytes | str) -> Any:
    """What `json.loads` makes of it, a fifth as long: two for each wallet of a batch."""
    try:
        return msgspec.json.decode(text)
    except msgspec.MsgspecError:  # a number that no float holds
        return json.loads(text)


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction, committed when the block ends well. Raises a Fault unless one of the jobs is to blame."""
    with _faults(), engine.connect() as connection, _sound(connection):
        yield connection
        connection.commit()
        _confirm(connection)


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
    _confirm(connection)


def each_committed(engine: Engine, statements: Sequence[tuple[str, Mapping[str, Any]]]) -> list[list[tuple[Any, ...]]]:
    """The rows that each statement returns. All are sent together, and each is committed by itself: where shards are on
    servers of their own, each is about one of them.

    What fails is raised at the end; any of the others may be done.
    """
    with _faults(), engine.connect() as connection, _sound(connection):
        connection.execution_options(isolation_level="AUTOCOMMIT")
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        try:
            with driver.pipeline() as pipeline:
                answers = []
                for statement, parameters in statements:
                    answers.append(driver.execute(statement, parameters))
                    pipeline.sync()
                found = [answer.fetchall() for answer in answers]
        except psycopg.Error as error:
            raise DBAPIError.instance(
                None, None, error, psycopg.Error, connection_invalidated=driver.closed, dialect=connection.dialect
            ) from error
        _confirm(connection)
    return found


def _confirm(connection: Connection) -> None:
    """Raises TransientFault when the commit is on this server alone, and was to be on a synchronous standby: a failover
    would take it back. Whoever tries again waits again, also to read its answer."""
    driver = connection.connection.driver_connection
    if isinstance(driver, PatientConnection) and driver.unconfirmed:
        connection.invalidate()
        raise TransientFault("somebody ended the commit's wait for a synchronous standby")


def wait_as_for_a_write(connection: Connection) -> None:
    """Has the commit wait for what commits wait for, also of a transaction that has written nothing.

    What it has read may have been committed by one whose wait for a synchronous standby was ended: it is not to be
    acknowledged before the standby has it.
    """
    connection.exec_driver_sql("select pg_logical_emit_message(true, 'balance-worker', '')")


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
