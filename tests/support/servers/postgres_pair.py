"""A PostgreSQL and its streaming standby: two servers that a test may stop, promote and take apart."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

import psycopg

from tests.support.servers import servers
from worker.local.ports import HOST
from worker.local.server_error import ServerError
from worker.local.servers.embedded import EmbeddedPostgres, _postgres_programs
from worker.local.servers.localserver import open_log, write_private
from worker.local.servers.unprivileged import give
from worker.local.spawn import spawn

NAME = "standby"  # by which synchronous_standby_names names it


class Standby(EmbeddedPostgres):
    """Follows `primary` until it is promoted."""

    def __init__(self, data_dir: Path, primary: EmbeddedPostgres, port: int | None = None) -> None:
        super().__init__(data_dir, port)
        self._primary = primary

    def _create_cluster(self) -> None:
        write_private(self.directory / "password", self._primary.password)
        copied = f"host={HOST} port={self._primary.port} user=balance password={self._primary.password}"
        argv = [str(_postgres_programs(self._cluster) / "pg_basebackup"), "-R", "-c", "fast", "-N"]
        argv += ["-D", str(self._cluster), "-d", f"{copied} application_name={NAME}"]
        with open_log(self.log_path) as output:
            self._cluster.mkdir(mode=0o700)
            give(self._cluster, self._identity)
            copying = spawn(
                argv, death_signal=signal.SIGKILL, output=output, cwd=self.directory, identity=self._identity
            )
            if copying.wait(self.start_timeout_s) != 0:
                raise ServerError(f"pg_basebackup failed, see {self.log_path}")

    def promote(self) -> None:
        run(self, "select pg_promote()")


@contextmanager
def pair() -> Iterator[tuple[EmbeddedPostgres, Standby]]:
    """Both run, and the standby follows. It is asynchronous: `synchronous_standby_names` is empty."""
    with (
        servers.server_directory() as one,
        servers.server_directory() as other,
        EmbeddedPostgres(one) as primary,
        Standby(other, primary) as standby,
    ):
        wait_for(primary, "select count(*) = 1 from pg_stat_replication where state = 'streaming'")
        yield primary, standby


def run(server: EmbeddedPostgres, *statements: str) -> list[tuple[Any, ...]]:
    """The rows of the last one, if it has some."""
    with psycopg.connect(server.url.replace("+psycopg", "", 1), autocommit=True) as connection:
        for statement in statements:
            found = connection.execute(statement)
        return found.fetchall() if found.description else []


def configure(server: EmbeddedPostgres, **settings: str) -> None:
    """Changes settings of the running server; an empty text resets one."""
    changes = [
        f"alter system set {name} = '{value}'" if value else f"alter system reset {name}"
        for name, value in settings.items()
    ]
    run(server, *changes, "select pg_reload_conf()")
    for name, value in settings.items():
        wait_for(server, f"select current_setting('{name}') = '{value}'")


def wait_for(server: EmbeddedPostgres, question: str, timeout_s: float = 30.0) -> None:
    """Until a session that is made anew answers true. Fails the test when that takes too long."""
    deadline, pause = monotonic() + timeout_s, Event()
    while run(server, question) != [(True,)]:
        assert monotonic() < deadline, f"waited {timeout_s} s for: {question}"
        pause.wait(0.05)
