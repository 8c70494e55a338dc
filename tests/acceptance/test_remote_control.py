"""What operators, and Flower's buttons, tell a worker by remote control, and what is left of it after a reconnect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from celery import Celery
from kombu import Connection, Exchange, Queue

from balance_client.routing import queue_arguments
from tests.acceptance.system import System, replies, wait_until
from tests.acceptance.test_doctor import doctor
from tests.support.servers.proxy import Proxy

NODE = "money"
REFUSED: Final[list[tuple[str, dict[str, Any], str]]] = [
    ("add_consumer", {"queue": "balence"}, "is no queue of this deployment"),
    ("add_consumer", {"queue": "celery", "exchange": "x", "exchange_type": "topic"}, "is no queue of this deployment"),
    ("cancel_consumer", {"queue": "balence"}, "is no queue of this deployment"),
    ("pool_grow", {"n": 3}, "more throughput comes from more workers"),
    ("pool_shrink", {"n": 1}, "more throughput comes from more workers"),
    ("autoscale", {"max": 9, "min": 1}, "more throughput comes from more workers"),
    ("rate_limit", {"task_name": "users.upsert", "rate_limit": "1/h"}, "no limit is kept"),
    ("rate_limit", {"task_name": "credits.expire", "rate_limit": "1/h"}, "no limit is kept"),
    ("time_limit", {"task_name": "users.upsert", "soft": 0.001, "hard": 0.001}, "no limit is kept"),
    ("pool_restart", {}, "not enabled"),
]


class Controlled:
    """One worker that serves a money queue, a partition and the queue of ticks, over a link that can be cut."""

    def __init__(self, system: System, link: Proxy) -> None:
        self.system, self._link = system, link
        self.queues = [system.queue, f"{system.queue}.0", f"{system.queue}.io"]
        system.environment["BALANCE_PARTITIONS"] = "1"
        # Each connection is logged only then.
        self.process = system.money_worker(
            NODE, queues=self.queues, BALANCE_BROKER_URL=link.url, BALANCE_LOG_LEVEL="debug"
        )
        self._app = Celery(broker=system.broker_url, set_as_current=False)
        self._sent = 0

    def close(self) -> None:
        self._app.close()

    def tell(self, command: str, **arguments: Any) -> dict[str, str]:
        """The worker's answer."""
        node = f"{NODE}@{self.system.queue}"

        def answer() -> Any:
            return replies(self._app, command, destination=[node], **arguments)

        said: dict[str, str] = wait_until(f"an answer to {command}", answer)[0][node]
        return said

    def shut_down(self) -> None:
        self._app.control.shutdown(destination=[f"{NODE}@{self.system.queue}"])
        assert self.process.wait(30) == 0

    def wait_for(self, *, consumed: list[str], left_out: list[str]) -> None:
        """Until this is what the worker says of itself."""

        def report() -> tuple[Any, Any]:
            told: Any = self.tell("balance_report")
            return told["queues"], told["left_out"]

        wait_until(f"the worker to take from {consumed}", lambda: report() == (consumed, left_out))

    def reconnect(self) -> None:
        """What the worker says or takes after this it does over a new connection."""
        self._link.cut()

    def send(self) -> None:
        """One message to each queue."""
        self._sent += 1
        for queue in self.queues[:2]:
            kwargs = {"idempotency_key": f"{queue}/{self._sent}", "user_id": self._sent}
            self._send(queue, "users.upsert", kwargs)
        self._send(self.queues[2], "credits.expire", {})

    def applied(self) -> int:
        return self.system.count("jobs", "code = 'applied'")

    def waiting(self) -> list[int]:
        """Messages that nobody has taken, by queue."""
        with Connection(self.system.broker_url) as connection:
            declared: list[Any] = [
                self._queue(name)(connection.default_channel).queue_declare() for name in self.queues
            ]
            return [each.message_count for each in declared]

    def _send(self, queue: str, task: str, kwargs: dict[str, Any]) -> None:
        where: Any = self._queue(queue)
        self._app.send_task(task, kwargs=kwargs, queue=where, ignore_result=True)

    def _queue(self, name: str) -> Queue:
        arguments = queue_arguments(self.system.broker_url, partition=name == self.queues[1])
        return Queue(name, Exchange(""), routing_key=name, queue_arguments=arguments)


@pytest.fixture
def controlled(any_system: System) -> Iterator[Controlled]:
    with Proxy(any_system.broker_url) as link:
        worker = Controlled(any_system, link)
        yield worker
        worker.close()
        any_system.stop()


def test_a_worker_does_what_it_is_told_whatever_happens_to_its_link_or_says_why_not(controlled: Controlled) -> None:
    queues = controlled.queues
    for queue in queues:
        assert "ok" in controlled.tell("cancel_consumer", queue=queue)
    controlled.wait_for(consumed=[], left_out=queues)
    controlled.send()
    controlled.reconnect()
    controlled.wait_for(consumed=[], left_out=queues)
    assert controlled.waiting() == [1, 1, 1]
    if controlled.system.broker_url.startswith("redis"):
        findings = doctor(controlled.system)[1]
        for queue in queues:
            assert "takes nothing from it" in findings[f"workers.{queue}"]["found"]
            assert f"add_consumer {queue}" in findings[f"workers.{queue}"]["action"]

    for queue in queues:
        assert "ok" in controlled.tell("add_consumer", queue=queue)
    wait_until("all of it to be taken", lambda: controlled.waiting() == [0, 0, 0])
    for command, arguments, why in REFUSED:
        assert why in controlled.tell(command, **arguments)["error"], command
    assert "ok" in controlled.tell("disable_events")
    assert "ok" in controlled.tell("enable_events")
    for _ in range(2):
        controlled.reconnect()
        controlled.send()
        wait_until("all of it to be taken", lambda: controlled.waiting() == [0, 0, 0])
    controlled.wait_for(consumed=queues, left_out=[])
    wait_until("the jobs", lambda: controlled.applied() == 6)
    report: Any = controlled.tell("balance_report")
    assert report["prefetch"] == 200

    controlled.tell("cancel_consumer", queue=queues[0])
    controlled.wait_for(consumed=queues[1:], left_out=queues[:1])  # it is told before it is done
    controlled.send()
    controlled.shut_down()
    wait_until("its job to wait", lambda: controlled.waiting()[0] == 1)
