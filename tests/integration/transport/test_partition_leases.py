"""Leases of partitions: one that is lost is given up, whoever finds that out first."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import kombu

from tests.integration.transport.brokers import Broker, queue
from tests.integration.transport.test_partition_channel import PARTITION
from worker.brokers.redis.partitions.channel import PartitionKeys
from worker.brokers.redis.partitions.leases import Leases


class Consumer:
    """As much of Celery's consumer as leases need."""

    hostname = "money@here"

    def __init__(self, connection: kombu.Connection) -> None:
        self.connection = connection
        self.soon: list[Callable[[], None]] = []
        self.forgotten: list[Any] = []
        self.hub = SimpleNamespace(call_soon=lambda what, *about: self.soon.append(lambda: what(*about)))
        self.timer = SimpleNamespace(call_repeatedly=lambda *_: SimpleNamespace(cancel=lambda: None))
        amqp = SimpleNamespace(queues={PARTITION: queue(PARTITION)}, TaskConsumer=self._task_consumer)
        self.app, self.on_decode_error = SimpleNamespace(amqp=amqp), None
        self.task_consumer = SimpleNamespace(on_message=lambda _message: None)

    def _task_consumer(self, channel: Any, queues: Any, on_decode_error: Any, on_message: Any) -> kombu.Consumer:
        return kombu.Consumer(channel, queues, on_message=on_message, accept=["json"])

    def forget(self, channel: Any) -> None:
        self.forgotten.append(channel)


def test_a_loss_that_is_found_while_taking_gives_the_partition_up_and_nothing_else(broker: Broker) -> None:
    with broker.connect(visibility_timeout=3600) as connection:
        consumer = Consumer(connection)
        leases = Leases(consumer, lease_s=60.0, prefetch=1)
        leases.serve([PARTITION])
        leases.start()
        keys = PartitionKeys.of(PARTITION, connection.default_channel)
        broker.client.set(f"{broker.prefix}{keys.lease}", "another's")
        broker.publish(1, to=PARTITION)
        for _ in range(2):
            with suppress(socket.timeout):
                connection.drain_events(timeout=0.5)
        assert consumer.soon, "the taking found it"
        for each in consumer.soon:
            each()
        assert len(consumer.forgotten) == 1, "once, however often it was found"

        broker.client.delete(f"{broker.prefix}{keys.lease}")
        leases.beat()
        for late in consumer.soon:
            late()
        assert len(consumer.forgotten) == 1, "it has been claimed again since"
