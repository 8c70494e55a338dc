"""What is measured: a way to apply jobs, on a broker, with so many processes."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from sqlalchemy import Engine

from benchmarks.broker import Broker
from benchmarks.movement import Movement

BrokerKind = Literal["redis", "rabbitmq"]


class Incoherent(Exception):
    """What was applied is not what was published, or does not add up. A fast wrong answer is a failure."""


class Publisher(Protocol):
    """A connection that publishes one job at a time, the way a service would."""

    def publish(self, message: Movement) -> None: ...

    def close(self) -> None: ...


class System(Protocol):
    """One implementation: ours, the bound, the peer or the plain one.

    `mark` is a moment of a database: what came after it is counted.
    """

    name: str

    def create(self, url: str) -> None:
        """Creates the tables in an empty database."""

    def populate(self, engine: Engine, accounts: int) -> None:
        """Adds so many users, wallets and apps, each with a balance of 0, numbered from 1."""

    def publish(self, broker: Broker, database_url: str, messages: Sequence[Movement]) -> None:
        """Publishes all of them, as fast as can be. To some the database is the queue as well."""

    def commands(self, processes: int, *, events: bool, queue: str) -> list[list[str]]:
        """The command line of each worker to start."""

    def environment(self, broker_url: str, database_url: str, queue: str) -> Mapping[str, str]:
        """What their settings are."""

    def mark(self, engine: Engine) -> Any:
        """The moment until now."""

    def applied(self, engine: Engine, mark: Any) -> int:
        """How many jobs have been applied since, by a query that costs little."""

    def unfinished(self, broker: Broker, engine: Engine) -> int:
        """Messages that wait, or that workers hold and have not acknowledged."""

    def committed_at(self, engine: Engine, mark: Any) -> dict[str, float]:
        """When each job since was committed, in seconds since 1970, by its key."""

    def total(self, engine: Engine) -> int:
        """The sum of all balances of users and wallets, in whole units."""

    def check(self, engine: Engine, mark: Any, *, whole: bool) -> int:
        """Recomputes what was written since, or the whole ledger. Returns the number of entries; raises Incoherent."""


class Steady(System, Protocol):
    """One that jobs can be published to one by one."""

    def publisher(self, broker_url: str, queue: str) -> Publisher:
        """Connected and ready."""


@dataclass(frozen=True, slots=True)
class Contender:
    """`name` is its name in the figures. `processes` is how many apply jobs at once."""

    name: str
    system: System
    broker: BrokerKind
    processes: int
    events: bool = False


def celery(app: str, queue: str, node: str, *arguments: str) -> list[str]:
    """The command line of a worker."""
    common = ["--queues", queue, "--hostname", f"{node}@{queue}"]
    return [sys.executable, "-m", "celery", "-A", app, "worker", *common, *arguments]
