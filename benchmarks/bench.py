"""One run: its servers, its sizes, its figures, and what all parts need of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import Final, Self

from rich.console import Console

from benchmarks.bound.system import Bound
from benchmarks.broker import Broker, on_rabbitmq, on_redis
from benchmarks.contender import BrokerKind, Contender, System
from benchmarks.figures import Figures
from benchmarks.ours import Ours
from benchmarks.peer.system import Peer
from benchmarks.plain.system import Plain
from benchmarks.servers import Servers, engine_of
from benchmarks.sizes import Sizes

OURS: Final = Ours()
PLAIN: Final = Plain()
PLAIN_PROCESSES: Final = 4

REDIS_1: Final = Contender("redis_1", OURS, "redis", 1)
REDIS_2: Final = Contender("redis_2", OURS, "redis", 2)
REDIS_1_EVENTS: Final = Contender("redis_1_events", OURS, "redis", 1, events=True)
REDIS_2_EVENTS: Final = Contender("redis_2_events", OURS, "redis", 2, events=True)
RABBITMQ_1: Final = Contender("rabbitmq_1", OURS, "rabbitmq", 1)
RABBITMQ_2: Final = Contender("rabbitmq_2", OURS, "rabbitmq", 2)
RABBITMQ_1_EVENTS: Final = Contender("rabbitmq_1_events", OURS, "rabbitmq", 1, events=True)
RABBITMQ_2_EVENTS: Final = Contender("rabbitmq_2_events", OURS, "rabbitmq", 2, events=True)
REDIS_PLAIN: Final = Contender("plain", PLAIN, "redis", PLAIN_PROCESSES)
RABBITMQ_PLAIN: Final = Contender("rabbitmq_plain", PLAIN, "rabbitmq", PLAIN_PROCESSES)

BOUND_1: Final = Contender("bound_1", Bound(1), "redis", 1)
BOUND_2: Final = Contender("bound_2", Bound(2), "redis", 2)
PEER: Final = Contender("peer", Peer(), "redis", 1)


class Bench:
    """`say` tells the person who waits what has been measured."""

    def __init__(self, servers: Servers, sizes: Sizes, console: Console) -> None:
        self.servers = servers
        self.sizes = sizes
        self.figures = Figures()
        self.log = servers.directory / "workers.log"
        self._console = console
        self._began = monotonic()
        self._templates: dict[str, str] = {}
        self._stack = ExitStack()
        self._runs = 0
        if servers.rabbitmq_url is None:
            self.figures.skipped["rabbitmq"] = "none answers"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def say(self, text: str) -> None:
        self._console.print(f"[dim]{self.seconds:6.1f} s[/dim]  {text}", highlight=False)

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return monotonic() - self._began

    def run_name(self) -> str:
        """A name that no other measurement of this run has: it makes keys unique."""
        self._runs += 1
        return f"run{self._runs}"

    def has(self, broker: BrokerKind) -> bool:
        return broker == "redis" or self.servers.rabbitmq_url is not None

    @contextmanager
    def broker(self, kind: BrokerKind) -> Iterator[Broker]:
        """A queue of its own. Ask `has` first."""
        if kind == "redis":
            with on_redis(self.servers.valkey.url) as redis:
                yield redis
        else:
            assert self.servers.rabbitmq_url is not None
            with on_rabbitmq(self.servers.rabbitmq_url) as rabbitmq:
                yield rabbitmq

    @contextmanager
    def database(self, system: System) -> Iterator[str]:
        """A fresh database of the system, with `sizes.accounts` accounts of each kind and nothing else."""
        with self.servers.database("measured", template=self._template(system)) as url:
            yield url

    def _template(self, system: System) -> str:
        name = f"{system.name}_template"
        if name not in self._templates:
            url = self._stack.enter_context(self.servers.database(name))
            system.create(url)
            with engine_of(url) as engine:
                system.populate(engine, self.sizes.accounts)
            self._templates[name] = url
        return name
