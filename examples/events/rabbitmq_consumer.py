"""Prints each new event from an exchange of RabbitMQ as a line of JSON.

    python examples/events/rabbitmq_consumer.py --url amqp://127.0.0.1:5672// --queue shop.events

Needs: pip install kombu
"""

from __future__ import annotations

import argparse
import signal
import sys
from typing import Any

from kombu import Connection, Consumer, Exchange, Queue
from kombu.message import Message
from kombu.mixins import ConsumerMixin

REMEMBERED = 100_000


class Receiver(ConsumerMixin):
    """Connects again by itself; what was not acknowledged comes again then."""

    def __init__(self, connection: Connection, queue: Queue) -> None:
        self.connection, self._queue = connection, queue
        self._seen: dict[str, None] = {}  # a service has a unique key for the id, written with what it does

    def get_consumers(self, Consumer: Any, channel: Any) -> list[Consumer]:  # noqa: N803  # the mixin's name
        return [Consumer([self._queue], on_message=self._receive, prefetch_count=100)]

    def on_consume_ready(self, *_: Any, **__: Any) -> None:
        print("ready", file=sys.stderr, flush=True)

    def _receive(self, message: Message) -> None:
        event_id = message.properties["message_id"]
        if event_id not in self._seen:
            print(message.body, flush=True)
            self._seen[event_id] = None
            if len(self._seen) > REMEMBERED:
                del self._seen[next(iter(self._seen))]
        message.ack()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="amqp://127.0.0.1:5672//")
    parser.add_argument("--exchange", default="balance.events")
    parser.add_argument("--queue", default="example.events", help="its consumers take turns, to keep the order")
    parser.add_argument("--types", default="#", help="which events: user.balance.*, # for all")
    parser.add_argument("--passive", action="store_true", help="the exchange is there: this user may not make it")
    given = parser.parse_args()
    arguments = {"x-queue-type": "quorum", "x-single-active-consumer": True}
    exchange = Exchange(given.exchange, "topic", durable=True, passive=given.passive)
    queue = Queue(given.queue, exchange, given.types, queue_arguments=arguments)
    with Connection(given.url) as connection:
        receiver = Receiver(connection, queue)
        signal.signal(signal.SIGTERM, lambda *_: setattr(receiver, "should_stop", True))
        receiver.run()


if __name__ == "__main__":
    main()
