"""Two nodes of PostgreSQL of which either may be lost: every commit waits until both have it."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Final

from tests.support.servers.postgres_pair import NAME, Standby, configure, run, wait_for
from worker.local.ports import HOST, free_port
from worker.local.servers.embedded import EmbeddedPostgres

_SETTINGS: Final = {
    "max_wal_size": "256MB",  # a long run does not fill the disk
    "wal_keep_size": "128MB",  # a standby that was away finds what it missed
    "wal_retrieve_retry_interval": "250ms",
    "wal_sender_timeout": "5s",
    "wal_receiver_timeout": "5s",
}


class Nodes:
    """At first the primary is that of `directory`/a. A node keeps its port, whatever it becomes."""

    def __init__(self, directory: Path) -> None:
        self.ports: Final = (free_port(), free_port())
        self.primary: EmbeddedPostgres = EmbeddedPostgres(directory / "a", self.ports[0])
        self.standby: EmbeddedPostgres = Standby(directory / "b", self.primary, self.ports[1])

    @property
    def url(self) -> str:
        """Of the one that is written to, wherever that is now: the client asks both."""
        hosts = "&".join(f"host={HOST}:{port}" for port in self.ports)
        return f"postgresql+psycopg://balance:{self.primary.password}@/balance?{hosts}&target_session_attrs=read-write"

    def start(self) -> None:
        self.primary.start()
        configure(self.primary, **_SETTINGS)
        self._attach()

    def stop(self) -> None:
        self.primary.stop()
        self.standby.stop()

    def crash(self) -> None:
        """The primary ends as after a loss of power: nothing is written in farewell."""
        if self.primary.pid is not None:
            os.kill(self.primary.pid, signal.SIGQUIT)
        self.primary.stop()  # waits for its end

    def promote(self, *, waits: bool) -> None:
        """The standby becomes the primary, which must be down. `waits`: its commits wait for a standby, which it has
        not; otherwise they do once it has one again."""
        self.primary, self.standby = self.standby, self.primary
        run(self.primary, "select pg_promote()")
        if not waits:
            configure(self.primary, synchronous_standby_names="")

    def rejoin(self) -> None:
        """The node that was the primary becomes the standby of the other, from a copy of it."""
        lost = self.standby
        lost.stop()
        shutil.rmtree(lost.directory / "data")
        self.standby = Standby(lost.directory.parent, self.primary, lost.port)
        self._attach()

    def until_in_sync(self) -> None:
        """Returns when the standby has all that has been committed by now."""
        [(reached,)] = run(self.primary, "select pg_current_wal_lsn()")
        streaming = "state = 'streaming' and sync_state = 'sync'"
        wait_for(
            self.primary,
            f"select exists (select from pg_stat_replication where {streaming} and flush_lsn >= '{reached}')",
        )

    def _attach(self) -> None:
        self.standby.start()
        configure(self.primary, synchronous_standby_names=NAME)
        self.until_in_sync()
