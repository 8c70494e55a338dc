"""The servers of one run: a PostgreSQL and a Valkey of its own, and the machine's RabbitMQ where one answers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from kombu import Connection
from sqlalchemy import Engine, create_engine, make_url, pool, text

from models.store.connection.session import make_engine
from worker.local.servers.embedded import EmbeddedPostgres, EmbeddedValkey
from worker.local.servers.unprivileged import admit, unprivileged_identity

RABBITMQ_URL = "amqp://guest:guest@127.0.0.1:5672//"


class Servers:
    """Started with the block, stopped and removed with all their data at its end.

    PostgreSQL runs as it comes, with every commit flushed to disk. Valkey writes its append-only file and flushes it
    once a second. With `always` each acknowledgement would wait for the disk, and the plain worker, which acknowledges
    one by one, would wait most; without a file the broker would keep nothing, which nobody runs with money.
    """

    def __init__(self, parent: Path | None, rabbitmq_url: str) -> None:
        self._parent = parent
        self._rabbitmq_url = rabbitmq_url
        self._stack = ExitStack()
        self.rabbitmq_url: str | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            name = stack.enter_context(TemporaryDirectory(prefix="balance-bench-", dir=self._parent))
            self.directory = Path(name)
            admit(self.directory, unprivileged_identity(self.directory))  # whom PostgreSQL runs as
            self.postgres = stack.enter_context(EmbeddedPostgres(self.directory))
            self._note_commit_times()
            self.valkey = stack.enter_context(EmbeddedValkey(self.directory, appendfsync="everysec"))
            self._stack = stack.pop_all()
        self.rabbitmq_url = self._rabbitmq_url if _answers(self._rabbitmq_url) else None
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _note_commit_times(self) -> None:
        """PostgreSQL notes when each transaction was committed: the end of a job's way, whoever applied it."""
        with self._administration() as admin, admin.connect() as connection:
            connection.execute(text("alter system set track_commit_timestamp = on"))
        self.postgres.stop()
        self.postgres.start()

    @contextmanager
    def _administration(self) -> Iterator[Engine]:
        url = make_url(self.postgres.url).set(database="postgres")
        engine = create_engine(url, poolclass=pool.NullPool, isolation_level="AUTOCOMMIT")
        try:
            yield engine
        finally:
            engine.dispose()

    @contextmanager
    def database(self, name: str, template: str | None = None) -> Iterator[str]:
        """The URL of a database that is there while the block runs. `template`: a database nobody is connected to."""
        copied = f' template "{template}"' if template else ""
        with self._administration() as admin:
            with admin.connect() as connection:
                connection.execute(text(f'create database "{name}"{copied}'))
            try:
                url = make_url(self.postgres.url).set(database=name)
                yield url.render_as_string(hide_password=False)
            finally:
                with admin.connect() as connection:
                    connection.execute(text(f'drop database "{name}" with (force)'))

    def checkpoint(self) -> None:
        """Writes out what earlier measurements left behind, so that the next one does not pay for it."""
        with self._administration() as admin, admin.connect() as connection:
            connection.execute(text("checkpoint"))

    def free_bytes(self) -> int:
        """Room left where the servers keep their data."""
        return shutil.disk_usage(self.directory).free

    def version(self) -> str:
        """PostgreSQL's version."""
        with self._administration() as admin, admin.connect() as connection:
            return str(connection.execute(text("show server_version")).scalar_one())


@contextmanager
def engine_of(url: str) -> Iterator[Engine]:
    """An engine for looking and counting; no statement of it is cut short."""
    engine = make_engine(url, statement_timeout_ms=600_000, lock_timeout_ms=60_000, application_name="benchmark")
    try:
        yield engine
    finally:
        engine.dispose()


def driver_url(url: str) -> str:
    """The same database as programs know it that do without SQLAlchemy."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _answers(url: str) -> bool:
    connection = Connection(url, connect_timeout=2)
    try:
        connection.connect()
    except connection.connection_errors:
        return False
    finally:
        connection.release()
    return True
