"""What can go wrong, and how it is put right again. Each fault has a beginning and an end, and says what it holds."""

from __future__ import annotations

import contextlib
import os
import random
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

import psycopg

from tests.chaos.fleet import Child
from tests.chaos.site import HEARTBEAT_S, LOCK_TIMEOUT_S, Site
from tests.chaos.workload import HOT
from tests.proxy import Proxy

# Past the lease, the socket timeout, RabbitMQ's heartbeat, idle-in-transaction, the visibility timeout and its sweep.
_PAUSE_S: Final = (2.0 * HEARTBEAT_S + 4, 2.0 * HEARTBEAT_S + 8)
_MOST: Final = "money-1", "money-2", "money-3", "money-1", "money-2", "money-3", "io", "beat-1", "beat-2"


class Fault(ABC):
    """One thing that goes wrong for `seconds`. `counts`: under which name the report has it."""

    counts: str
    seconds: float
    holds: str  # what no other fault may touch meanwhile
    over_at_once = False  # what comes after its beginning is recovery
    alone = False  # not while a worker is paused: after it each worker is looked at
    wrong: str | None = None  # what the product did that it may not

    def __init__(self, site: Site, how: random.Random) -> None:
        self.site, self.how = site, how

    def __str__(self) -> str:
        return f"{self.counts} {self.holds}"

    @property
    def lasts(self) -> bool:
        """Whether it goes on by itself, however long it was to take. Other faults come and go meanwhile."""
        return False

    @abstractmethod
    def begin(self) -> None: ...

    @abstractmethod
    def end(self) -> None: ...


class _OfChild(Fault):
    candidates: tuple[str, ...] = _MOST

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        self.child: Child = site.children[how.choice(self.candidates)]
        self.holds = self.child.name
        self.seconds = how.uniform(0, 2)  # until a supervisor has noticed

    def end(self) -> None:
        self.child.start()


class Kill(_OfChild):
    counts = "killed (SIGKILL)"
    over_at_once = True

    def begin(self) -> None:
        self.child.kill()


class Stop(_OfChild):
    counts = "stopped (SIGTERM)"
    over_at_once = True

    def begin(self) -> None:
        self.child.stop()

    @property
    def lasts(self) -> bool:
        return self.child.stopping

    def end(self) -> None:
        self.wrong = self.child.farewell()
        super().end()


class Pause(_OfChild):
    counts = "paused (SIGSTOP)"
    candidates = _MOST[:3]

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        self.seconds = how.uniform(*_PAUSE_S)

    def begin(self) -> None:
        self.child.pause()

    def end(self) -> None:
        self.child.resume()


class BrokerRestart(Fault):
    counts = "broker killed and restarted"
    holds = "broker"
    alone = True

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        self.seconds = how.uniform(0.5, 4)

    def begin(self) -> None:
        self.site.broker.kill()

    def end(self) -> None:
        self.site.broker.start()


class BrokerRefuses(Fault):
    """Redis at its memory limit, RabbitMQ with a memory or disk alarm."""

    counts = "broker refused writes"
    holds = "broker"

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        self.seconds = how.uniform(2, 6)

    def begin(self) -> None:
        self.site.broker.refuse(self.how)

    def end(self) -> None:
        self.site.broker.accept()


class DatabaseRestart(Fault):
    counts = "PostgreSQL restarted"
    holds = "database"

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        self.seconds = how.uniform(0.5, 4)

    def begin(self) -> None:
        self.site.postgres.stop()

    def end(self) -> None:
        self.site.postgres.start()


class DatabaseCrash(DatabaseRestart):
    """As after a loss of power: nothing is written in farewell, the log is replayed."""

    counts = "PostgreSQL crashed"

    def begin(self) -> None:
        pid = self.site.postgres.pid
        if pid is not None:
            os.kill(pid, signal.SIGQUIT)
        self.site.postgres.stop()  # waits for its end


class Terminate(Fault):
    counts = "database connections terminated"
    holds = "database"
    seconds = 0.0

    def begin(self) -> None:
        self.site.rows_if_up(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )

    def end(self) -> None:
        """Nothing to put right."""


class HotLock(Fault):
    counts = "hot accounts locked"
    holds = "database"

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        self.seconds = LOCK_TIMEOUT_S + how.uniform(1, 3)
        self._connection: psycopg.Connection | None = None

    def begin(self) -> None:
        self._connection = psycopg.connect(self.site.postgres.url.replace("+psycopg", "", 1))
        self._connection.execute(
            "select id from accounts where kind || ':' || ref = any(%s) order by id for update", [list(HOT)]
        )

    def end(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.OperationalError):  # the lock went with the connection
                self._connection.rollback()
            self._connection.close()


class _OfNetwork(Fault):
    """The link of one process to one server, or of all processes to it."""

    acts: Callable[[Proxy], None]

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        server = how.choice(("broker", "broker", "database"))
        names = [name for name in site.networks if name.endswith(f"/{server}") and name != "publisher/database"]
        chosen = names if how.random() < 0.4 else [how.choice(names)]
        self.holds = f"network of {'all' if len(chosen) > 1 else chosen[0].partition('/')[0]} to the {server}"
        self.links = [site.networks[name] for name in chosen]
        self.seconds = how.uniform(1, 5)

    def begin(self) -> None:
        for link in self.links:
            self.act(link)

    @abstractmethod
    def act(self, link: Proxy) -> None: ...

    def end(self) -> None:
        for link in self.links:
            link.heal()


class Cut(_OfNetwork):
    counts = "network cut"

    def act(self, link: Proxy) -> None:
        link.refuse()


class Delay(_OfNetwork):
    counts = "network delayed"

    def act(self, link: Proxy) -> None:
        link.delay_s = self.how.uniform(0.02, 0.2)


class HalfOpen(_OfNetwork):
    """Nothing passes and nobody is told. In the end what was held up arrives after all, or the connections break."""

    counts = "network half-open"

    def __init__(self, site: Site, how: random.Random) -> None:
        super().__init__(site, how)
        self.seconds = how.uniform(4, 9)  # around the socket timeout
        self._breaks = how.random() < 0.5

    def act(self, link: Proxy) -> None:
        link.go_silent(for_all=True)

    def end(self) -> None:
        if self._breaks:
            for link in self.links:
                link.cut()
        super().end()


FAULTS: Final[tuple[type[Fault], ...]] = (
    Kill, Kill, Kill, Stop, Pause, BrokerRestart, BrokerRefuses, DatabaseRestart, DatabaseCrash, Terminate, HotLock,
    Cut, Cut, Delay, HalfOpen,
)  # fmt: skip
"""A deck: each is dealt once, as often as it stands here, before any comes again."""
