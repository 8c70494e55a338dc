"""Everything of one run on one broker: servers of its own, networks that can fail, processes, publishers' way in."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any, Final, Literal

import redis
from celery import Celery
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tests.chaos.brokers import HEARTBEAT_S, Broker, OwnRabbitMQ, OwnValkey
from tests.chaos.database import Database, workers_url
from tests.chaos.events import stream
from tests.chaos.events.receiver import TIMEOUT_S, Receiver
from tests.chaos.fleet import CeleryChild, Child
from tests.support.servers.proxy import Proxy
from worker.local.server_error import ServerError
from worker.local.servers.embedded import EmbeddedPostgres

__all__ = ["DAY_S", "HEARTBEAT_S", "LOCK_TIMEOUT_S", "PARTITIONS", "QUEUES", "Kind", "Site", "wait_for"]

Kind = Literal["redis", "rabbitmq"]
PARTITIONS: Final = 2
LOCK_TIMEOUT_S: Final = 1.5
WEBHOOK_KEY: Final = "the secrets of a run's endpoints are made from it"
DAY_S: Final = 86_400
# Small, so that a minute sees what takes an hour in production. docs/chaos.md says which pause is past which of them.
SETTINGS: Final = {
    "BALANCE_PARTITIONS": str(PARTITIONS),
    "BALANCE_PARTITION_LEASE_S": "3",
    "BALANCE_LOCK_TIMEOUT_MS": str(round(LOCK_TIMEOUT_S * 1000)),
    "BALANCE_STATEMENT_TIMEOUT_MS": "4000",
    "BALANCE_CONNECT_TIMEOUT_S": "2",
    "BALANCE_RETRY_CAP_S": "1",
    "BALANCE_BROKER_SOCKET_TIMEOUT_S": "5",
    "BALANCE_VISIBILITY_TIMEOUT_S": "10",
    "BALANCE_TOPUP_SCAN_EVERY_S": "1",
    "BALANCE_EXPIRE_EVERY_S": "1",
    "BALANCE_EXPIRY_GRACE_S": "0",
    "BALANCE_EXPIRY_NOTICE_S": "3",
    "BALANCE_TOPUP_COOLDOWN_S": "1",
    "BALANCE_EVENT_RETRY_CAP_S": "1",
    "BALANCE_WEBHOOK_KEY": WEBHOOK_KEY,
    "BALANCE_WEBHOOK_ALLOW_PRIVATE": "true",
    "BALANCE_WEBHOOK_TIMEOUT_S": f"{TIMEOUT_S:g}",
    "BALANCE_WEBHOOK_RETRY_BASE_S": "0.1",
    "BALANCE_WEBHOOK_RETRY_CAP_S": "1",
    "BALANCE_LOG_LEVEL": "warning",
}
_DOOR: Final = "balance"
_IO: Final = ("io-1", "io-2")
_PARTITION_QUEUES: Final = [f"{_DOOR}.{partition}" for partition in range(PARTITIONS)]
QUEUES: Final = {"money-1": [_DOOR, *_PARTITION_QUEUES], "money-2": [_DOOR, *_PARTITION_QUEUES], "money-3": [_DOOR]}
_NAMES_BOTH_NODES: Final = "money-2"  # in its database URL; the others' leads to one, and is moved


class Site:
    """The running system. `networks` are the links between a process (or a publisher) and a server, by name; `names`
    those that lead to whichever node of the database they are pointed at."""

    def __init__(self, kind: Kind, directory: Path, how: random.Random, note: Callable[[str], None]) -> None:
        self.kind, self.directory, self.note = kind, directory, note
        self.postgres = Database(directory, how)
        self.broker: Broker = OwnValkey(directory) if kind == "redis" else OwnRabbitMQ(directory)
        self.results = OwnValkey(directory / "results")
        self.receiver = Receiver(random.Random(how.random()))
        self.networks: dict[str, tuple[Proxy, ...]] = {}
        self.names: list[Proxy] = []
        self.children: dict[str, Child] = {}
        self.engine: Engine
        self.clocks = _clocks(how)

    @contextmanager
    def running(self) -> Iterator[Site]:
        """Servers, networks and processes; all of them gone in the end. The tables may not be there yet."""
        logs = self.directory / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            servers = (self.postgres, self.broker, self.results)
            for server in servers:
                stack.callback(server.stop)
            with ThreadPoolExecutor(len(servers)) as pool:
                list(pool.map(lambda server: server.start(), servers))
            stream.bind(self.broker.url)
            stack.enter_context(self.receiver.running())
            self.engine = create_engine(
                self.postgres.url, pool_pre_ping=True, connect_args={"connect_timeout": 2, "application_name": "chaos"}
            )
            stack.callback(self.engine.dispose)
            self._connect(stack)
            self._make(logs)
            for child in self.children.values():
                stack.callback(child.close)
                child.start()
            yield self

    def _connect(self, stack: ExitStack) -> None:
        for name in (*QUEUES, *_IO, "publisher"):
            self.networks[f"{name}/broker"] = (stack.enter_context(Proxy(self.broker.url)),)
            if name != "publisher":
                nodes = [self.postgres.primary, self.postgres.standby][: 2 if name == _NAMES_BOTH_NODES else 1]
                links = tuple(stack.enter_context(Proxy(node.url)) for node in nodes)
                self.networks[f"{name}/database"] = links
                self.names += links if len(links) == 1 else ()

    def _make(self, logs: Path) -> None:
        """Two workers with partitions and one of plain queues, two for scheduled work and events, two beats."""
        for name, queues in QUEUES.items():
            self._child(name, name, logs, "worker", "--pool=solo", f"--queues={','.join(queues)}")
        for name in _IO:
            self._child(name, name, logs, "worker", "--pool=threads", "--concurrency=2", "--queues=balance.io")
        for name, network in zip(("beat-1", "beat-2"), _IO, strict=True):
            self._child(name, network, logs, "beat", f"--schedule={self.directory / name}")

    def _child(self, name: str, network: str, logs: Path, *arguments: str) -> None:
        if arguments[0] == "worker":
            arguments = (*arguments, f"--hostname={name}@chaos", "--loglevel=warning")
        environment = {
            **SETTINGS,
            "BALANCE_BROKER_URL": self.networks[f"{network}/broker"][0].url,
            "BALANCE_DATABASE_URL": workers_url(self.networks[f"{network}/database"]),
            # One that answers over RabbitMQ itself, where there is one.
            "BALANCE_RESULT_URL": "rpc://" if (self.kind, name) == ("rabbitmq", "money-1") else self.results.url,
        }
        self.children[name] = CeleryChild(name, arguments, environment, logs, self.clocks.get(name, 0))

    @property
    def money_workers(self) -> list[Child]:
        return [self.children[name] for name in QUEUES]

    def point_at(self, node: EmbeddedPostgres) -> None:
        """The names of the database lead to this node from now on. Sessions that are open stay where they are."""
        for name in self.names:
            name.move(node.url)

    def rows(self, query: str, **parameters: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(query), parameters))

    def rows_if_up(self, query: str, **parameters: Any) -> list[Any]:
        """Nothing, while the database is away, or has no tables."""
        try:
            return self.rows(query, **parameters)
        except (DBAPIError, PoolTimeout):
            return []

    def job_id(self, key: str) -> str | None:
        found = self.rows_if_up("select cast(id as text) from jobs where idempotency_key = :key", key=key)
        return found[0][0] if found else None

    def consumed(self) -> dict[str, int]:
        """How many jobs each money worker that answers has taken since its start, by its process id and name."""
        app = Celery(broker=self.broker.url, set_as_current=False)
        try:
            answers = app.control.inspect([f"{name}@chaos" for name in QUEUES], timeout=1.5).stats() or {}
        except Exception:  # noqa: BLE001 - the broker is away: nobody answers
            return {}
        finally:
            app.close()
        return {
            f"{node.partition('@')[0]}/{stats['pid']}": sum(stats["total"].values()) for node, stats in answers.items()
        }

    def left(self) -> dict[str, int]:
        """Messages left on the broker; {"?": 1} when it cannot say so now."""
        try:
            return self.broker.left()
        except (ServerError, redis.RedisError):
            return {"?": 1}


def _clocks(how: random.Random) -> dict[str, int]:
    """By how many seconds whose clock is off, for the whole run."""
    behind, ahead = how.choice(((-60, 60), (60, -60)))
    return {
        "money-2": behind,
        "io-1": how.choice((0, 6, -6, 60, -60)),
        "io-2": 0,
        "beat-1": how.choice((0, -6, 6, -3600, 3600)),
        "beat-2": how.choice((ahead, -3600, -30 * DAY_S, 30 * DAY_S)),
    }


def wait_for(condition: Any, timeout_s: float, every_s: float = 0.25) -> bool:
    """Whether the condition came true in time."""
    deadline, pause = monotonic() + timeout_s, Event()
    while not condition():
        if monotonic() > deadline:
            return False
        pause.wait(every_s)
    return True
