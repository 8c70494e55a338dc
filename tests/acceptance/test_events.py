"""What Flower is told: every event of a task once, from whichever thread it comes, and across connections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import pytest
from kombu import Exchange, Queue
from sqlalchemy import text

from tests.acceptance.system import System, wait_until
from tests.support.servers.proxy import Proxy

TICKS: Final = 300


class Watch:
    """Counts the events of a system by their type."""

    def __init__(self, system: System) -> None:
        self.counted: Counter[str] = Counter()
        self.connection: Any = None
        self._system = system

    def count(self, event: dict[str, Any]) -> None:
        if event["hostname"].endswith(f"@{self._system.queue}"):  # others have workers on the same broker
            self.counted[event["type"]] += 1

    def receive(self) -> None:
        """What has come; on Redis what comes from the first call on."""
        with suppress(TimeoutError):  # nothing more has come
            while True:
                self.connection.drain_events(timeout=0.1)

    def wait(self, **wanted: int) -> None:
        """Until so many events of each type have come, and no more."""

        def came() -> bool:
            self.receive()
            return all(self.counted[_type(name)] >= count for name, count in wanted.items())

        wait_until(f"{wanted}", came, timeout_s=30)
        assert {name: self.counted[_type(name)] for name in wanted} == wanted


def _type(name: str) -> str:
    return f"task-{name}"


@pytest.fixture
def watch(any_system: System) -> Iterator[Watch]:
    with any_system.client.connection_for_read() as connection:
        watch = Watch(any_system)
        receiver = any_system.client.events.Receiver(connection, handlers={"*": watch.count})
        with receiver.consumer_context(wakeup=False) as (watch.connection, _, _):
            watch.receive()
            yield watch


def test_the_events_of_a_pool_of_threads_are_complete(any_system: System, watch: Watch) -> None:
    any_system.io_worker()
    for _ in range(TICKS):
        _tick(any_system)
    watch.wait(received=TICKS, started=TICKS, succeeded=TICKS)


def test_what_ends_under_another_connection_than_it_began_is_told(any_system: System, watch: Watch) -> None:
    with Proxy(any_system.broker_url) as proxy:
        any_system.io_worker(BALANCE_BROKER_URL=proxy.url, BALANCE_LOG_LEVEL="debug")  # each connection is logged then
        with any_system.engine.begin() as holder:
            holder.execute(text("lock table wallets in access exclusive mode"))
            _tick(any_system)
            watch.wait(received=1, started=1)
            proxy.cut()
            wait_until("another connection", lambda: any_system.log("io").count("Connected to") == 2)
        watch.wait(received=1, started=1, succeeded=1)


def _tick(system: System) -> None:
    name = f"{system.queue}.io"
    queue: Any = Queue(name, Exchange(""), routing_key=name, no_declare=True)
    system.client.send_task("autotopup.scan", queue=queue, ignore_result=True)
