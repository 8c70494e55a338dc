"""Everything of one run on one broker: servers of its own, networks that can fail, processes, publishers' way in."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any, Final, Literal, Protocol

import redis
from celery import Celery
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from models.store.schema import upgrade
from tests.chaos.fleet import Child, celery
from tests.proxy import Proxy
from tests.rabbitmq_node import RabbitMQNode
from worker.embedded import EmbeddedPostgres, EmbeddedValkey
from worker.server_error import ServerError

Kind = Literal["redis", "rabbitmq"]
LANES: Final = 2
HEARTBEAT_S: Final = 6  # RabbitMQ gives a silent connection up after twice this
LOCK_TIMEOUT_S: Final = 1.5
# Small, so that a minute sees what takes an hour in production. docs/chaos.md says which pause is past which of them.
SETTINGS: Final = {
    "BALANCE_LANES": str(LANES),
    "BALANCE_LANE_LEASE_S": "3",
    "BALANCE_LOCK_TIMEOUT_MS": str(round(LOCK_TIMEOUT_S * 1000)),
    "BALANCE_STATEMENT_TIMEOUT_MS": "4000",
    "BALANCE_CONNECT_TIMEOUT_S": "2",
    "BALANCE_RETRY_CAP_S": "1",
    "BALANCE_BROKER_SOCKET_TIMEOUT_S": "5",
    "BALANCE_VISIBILITY_TIMEOUT_S": "10",
    "BALANCE_TOPUP_SCAN_EVERY_S": "1",
    "BALANCE_EXPIRE_EVERY_S": "1",
    "BALANCE_EXPIRY_GRACE_S": "0",
    "BALANCE_TOPUP_COOLDOWN_S": "1",
    "BALANCE_LOG_LEVEL": "warning",
}
_DOORS: Final = "balance"
_ALL: Final = ",".join([_DOORS, *(f"{_DOORS}.{lane}" for lane in range(LANES))])


class Broker(Protocol):
    """A broker of our own."""

    @property
    def url(self) -> str: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def refuse(self, how: random.Random) -> None:
        """Takes no message until `accept`."""

    def accept(self) -> None: ...
    def left(self) -> dict[str, int]:
        """Messages that wait or are not acknowledged, by queue; those with none left out."""


class OwnValkey(EmbeddedValkey):
    """Synced before each answer, as the guarantees ask."""

    def kill(self) -> None:
        process = self._process
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait()

    def refuse(self, how: random.Random) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.config_set("maxmemory", how.randint(1, 1000))

    def accept(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.config_set("maxmemory", 0)

    def left(self) -> dict[str, int]:
        with redis.Redis.from_url(self.url) as client:
            sizes = {"hash": client.hlen, "list": client.llen}
            keys = [key.decode() for key in client.scan_iter("*") if key.startswith((b"balance", b"unacked"))]
            counts = {key: sizes.get(client.type(key).decode(), lambda _: 0)(key) for key in keys}
        return {key: count for key, count in counts.items() if count}


class OwnRabbitMQ(RabbitMQNode):
    """A node with a short heartbeat."""

    settings = (f"heartbeat = {HEARTBEAT_S}",)

    def refuse(self, how: random.Random) -> None:
        alarms = (("set_vm_memory_high_watermark", "0.00001"), ("set_disk_free_limit", "1000000000000000"))
        self.control(*how.choice(alarms))

    def accept(self) -> None:
        self.control("set_vm_memory_high_watermark", "0.4")
        self.control("set_disk_free_limit", "50000000")

    def left(self) -> dict[str, int]:
        queues = json.loads(self.control("list_queues", "name", "messages", "--formatter", "json"))
        return {each["name"]: each["messages"] for each in queues if each["messages"] and "balance" in each["name"]}


class Site:
    """The running system. `networks` are the links between a process (or a publisher) and a server, by name."""

    def __init__(self, kind: Kind, directory: Path, how: random.Random) -> None:
        self.kind, self.how, self.directory = kind, how, directory
        self.postgres = EmbeddedPostgres(directory)
        self.broker: Broker = OwnValkey(directory) if kind == "redis" else OwnRabbitMQ(directory)
        self.networks: dict[str, Proxy] = {}
        self.children: dict[str, Child] = {}
        self.engine: Engine
        self.clock_s = how.choice((60, -60))

    @contextmanager
    def running(self) -> Iterator[Site]:
        """Servers, networks and processes; all of them gone in the end."""
        logs = self.directory / "logs"
        logs.mkdir(parents=True)
        with ExitStack() as stack:
            for server in (self.postgres, self.broker):
                stack.callback(server.stop)
                server.start()
            upgrade(self.postgres.url)
            self.engine = create_engine(
                self.postgres.url, pool_pre_ping=True, connect_args={"connect_timeout": 2, "application_name": "chaos"}
            )
            stack.callback(self.engine.dispose)
            for name in ("money-1", "money-2", "money-3", "io", "publisher"):
                for peer, url in (("broker", self.broker.url), ("database", self.postgres.url)):
                    self.networks[f"{name}/{peer}"] = stack.enter_context(Proxy(url))
            self._make(logs)
            for child in self.children.values():
                stack.callback(child.close)
                child.start()
            yield self

    def _make(self, logs: Path) -> None:
        """Two workers with lanes and one of plain queues; two beats. The clock of one worker and one beat is off."""
        for name, queues, clock_s in (("money-1", _ALL, 0), ("money-2", _ALL, self.clock_s), ("money-3", _DOORS, 0)):
            arguments = [
                "worker",
                "--pool=solo",
                f"--queues={queues}",
                f"--hostname={name}@chaos",
                "--loglevel=warning",
            ]
            self._child(name, celery(*arguments, clock_s=clock_s), name, logs)
        arguments = ["worker", "--pool=threads", "--concurrency=2", "--queues=balance.io", "--hostname=io@chaos"]
        self._child("io", celery(*arguments), "io", logs)
        for name, clock_s in (("beat-1", 0), ("beat-2", -self.clock_s)):
            schedule = f"--schedule={self.directory / name}"
            self._child(name, celery("beat", schedule, clock_s=clock_s), "io", logs)

    def _child(self, name: str, argv: list[str], network: str, logs: Path) -> None:
        environment = {
            **SETTINGS,
            "BALANCE_BROKER_URL": self.networks[f"{network}/broker"].url,
            "BALANCE_DATABASE_URL": self.networks[f"{network}/database"].url,
        }
        if self.kind == "redis":
            environment["BALANCE_RESULT_URL"] = environment["BALANCE_BROKER_URL"]
        self.children[name] = Child(name, argv, environment, logs)

    @property
    def money_workers(self) -> list[Child]:
        return [child for name, child in self.children.items() if name.startswith("money")]

    def rows(self, query: str, **parameters: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(query), parameters))

    def rows_if_up(self, query: str, **parameters: Any) -> list[Any]:
        """Nothing, while the database is away."""
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
            answers = app.control.inspect(timeout=1.5).stats() or {}
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


def wait_for(condition: Any, timeout_s: float, every_s: float = 0.25) -> bool:
    """Whether the condition came true in time."""
    deadline, pause = monotonic() + timeout_s, Event()
    while not condition():
        if monotonic() > deadline:
            return False
        pause.wait(every_s)
    return True
