"""The database: the server, its connections, locks, and what the workers' role may do."""

from __future__ import annotations

import contextlib
import random
from typing import Final

import psycopg

from models.store.server.privileges import CHANGED
from tests.chaos.faults.fault import DATABASE, Fault
from tests.chaos.site import LOCK_TIMEOUT_S, Site
from tests.chaos.workload import HOT
from tests.support.roles import ROLE
from tests.support.servers.postgres_pair import run

_MOVED: Final = ", ".join(CHANGED["accounts"])
# What is taken from the workers' role, and how it is given back.
_REVOKED: Final = (
    ("revoke insert on entries from {role}", "grant insert on entries to {role}"),
    ("revoke update on accounts from {role}", f"grant update ({_MOVED}) on accounts to {{role}}"),
    ("revoke select on accounts from {role}", "grant select on accounts to {role}"),
    ("revoke insert on jobs from {role}", "grant insert on jobs to {role}"),
    ("revoke insert on grants from {role}", "grant insert on grants to {role}"),
    ("revoke insert on outbox from {role}", "grant insert on outbox to {role}"),
    ("revoke delete on outbox from {role}", "grant delete on outbox to {role}"),
    ("revoke insert on webhook_deliveries from {role}", "grant insert on webhook_deliveries to {role}"),
    ("revoke usage on sequence accounts_id_seq from {role}", "grant usage on sequence accounts_id_seq to {role}"),
    ("revoke usage on schema public from public", "grant usage on schema public to public"),
    ("alter role {role} nologin", "alter role {role} login"),
)


class DatabaseRestart(Fault):
    counts = "PostgreSQL restarted"
    holds = frozenset({DATABASE})

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        self.seconds = how.uniform(0.5, 4)

    def begin(self) -> None:
        self.site.postgres.primary.stop()

    def end(self) -> None:
        self.site.postgres.primary.start()


class DatabaseCrash(DatabaseRestart):
    """The log is replayed."""

    counts = "PostgreSQL crashed"

    def begin(self) -> None:
        self.site.postgres.crash()


class Terminate(Fault):
    counts = "database connections terminated"
    holds = frozenset({DATABASE})
    seconds = 0.0

    def begin(self) -> None:
        terminate(self.site)

    def end(self) -> None:
        """Nothing to put right."""


class HotLock(Fault):
    counts = "hot accounts locked"
    holds = frozenset({DATABASE})

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        self.seconds = LOCK_TIMEOUT_S + how.uniform(1, 3)
        self._connection: psycopg.Connection | None = None

    def begin(self) -> None:
        self._connection = psycopg.connect(self.site.postgres.conninfo)
        self._connection.execute("select set_config('lock_timeout', %s, true)", [f"{LOCK_TIMEOUT_S:g}s"])
        # A worker that is paused may hold them for as long as nobody wakes it, which is this thread's to do.
        with contextlib.suppress(psycopg.errors.LockNotAvailable):
            self._connection.execute(
                "select id from accounts where kind || ':' || ref = any(%s) order by id for update", [list(HOT)]
            )

    def end(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.OperationalError):  # the lock went with the connection
                self._connection.rollback()
            self._connection.close()


class Revoked(Fault):
    """Somebody's hand takes a privilege from the workers' role, or its right to log in, and gives it back."""

    counts = "privileges revoked and restored"
    holds = frozenset({DATABASE})
    alone = True

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        self._taken, self._given = (statement.format(role=ROLE) for statement in how.choice(_REVOKED))
        self.what, self.seconds = f'"{self._taken}"', how.uniform(2, 6)

    def begin(self) -> None:
        run(self.site.postgres.primary, self._taken)
        if "nologin" in self._taken:
            terminate(self.site)

    def end(self) -> None:
        run(self.site.postgres.primary, self._given)


def terminate(site: Site) -> None:
    """Ends all sessions on the database but our own."""
    run(
        site.postgres.primary,
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()",
    )
