"""A Redis or Valkey to try transports on, with names of the test's own in it."""

import base64
import contextlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from time import monotonic
from typing import Any, Final, Literal, Self

import kombu
import redis

Kind = Literal["atomic", "stock"]
TRANSPORTS: Final[dict[Kind, str]] = {
    "atomic": "worker.brokers.redis.channel:Transport",
    "stock": "kombu.transport.redis:Transport",
}
PATIENCE_S: Final = 20.0
_DIRECT: Final = kombu.Exchange("", type="direct")


def queue(name: str, **arguments: Any) -> kombu.Queue:
    return kombu.Queue(name, _DIRECT, routing_key=name, **arguments)


@dataclass
class Broker:
    """A server, and the prefix of all keys that a test may touch."""

    url: str
    prefix: str
    client: Any

    def connect(self, kind: Kind = "atomic", url: str | None = None, **options: Any) -> Any:
        options = {"global_keyprefix": self.prefix, "visibility_timeout": 3600, **options}
        return kombu.Connection(url or self.url, transport=TRANSPORTS[kind], transport_options=options)

    def publish(self, *bodies: Any, to: str = "jobs", kind: Kind = "stock", **properties: Any) -> None:
        with self.connect(kind) as connection, connection.Producer() as producer:
            for body in bodies:
                producer.publish({"job": body}, exchange=_DIRECT, routing_key=to, serializer="json", **properties)

    def raw(self, name: str = "jobs") -> list[bytes]:
        """What waits in a list, in the order in which it will be taken."""
        entries: list[bytes] = self.client.lrange(self.prefix + name, 0, -1)
        return entries[::-1]

    def waiting(self, name: str = "jobs") -> list[Any]:
        return [body_of(json.loads(entry)) for entry in self.raw(name)]

    def unacked(self) -> list[Any]:
        """The bodies of the records, in the order taken; each must be in the index too."""
        tags = self.client.zrange(self.prefix + "unacked_index", 0, -1)
        records = [self.client.hget(self.prefix + "unacked", tag) for tag in tags]
        assert self.client.hlen(self.prefix + "unacked") == len(tags)
        return [body_of(json.loads(record)[0]) for record in records]

    def names(self) -> set[str]:
        return {key.decode().removeprefix(self.prefix) for key in self.client.keys(self.prefix + "*")}


def body_of(message: dict[str, Any]) -> Any:
    return json.loads(base64.b64decode(message["body"]))["job"]


@dataclass
class Consumption:
    """What a consumer got: bodies in order, and the messages to settle."""

    connection: Any
    channel: Any
    bodies: list[Any] = field(default_factory=list)
    messages: list[Any] = field(default_factory=list)

    def drain(self, count: int, timeout_s: float = PATIENCE_S) -> list[Any]:
        """Wait for `count` more, and return the bodies that came since the last call."""
        seen = len(self.bodies)
        deadline = monotonic() + timeout_s
        while len(self.bodies) < seen + count and monotonic() < deadline:
            self.turn(deadline - monotonic())
        return self.bodies[seen:]

    def turn(self, timeout_s: float = 0.05) -> Self:
        """One turn of the event loop."""
        with contextlib.suppress(TimeoutError):
            self.connection.drain_events(timeout=timeout_s)
        return self

    def ack(self) -> None:
        for message in self.messages:
            if not message.acknowledged:
                message.ack()


@contextmanager
def consuming(
    broker: Broker,
    *queues: str,
    kind: Kind = "atomic",
    prefetch: int = 0,
    on_message: Callable[[Any], None] | None = None,
    url: str | None = None,
    **options: Any,
) -> Iterator[Consumption]:
    """A consumer of these queues (default: jobs). Leaving closes the connection, which gives back what it holds."""
    with broker.connect(kind, url, **options) as connection:
        channel = connection.channel()
        channel.basic_qos(0, prefetch, False)
        result = Consumption(connection, channel)

        def receive(body: Any, message: Any) -> None:
            result.bodies.append(body["job"])
            result.messages.append(message)
            if on_message is not None:
                on_message(message)

        names = [queue(name) for name in queues or ("jobs",)]
        kombu.Consumer(channel, names, callbacks=[receive], accept=["json"]).consume()
        yield result


def abandon(consumption: Consumption) -> None:
    """End a consumer like a process that is killed: nothing is acknowledged or given back."""
    consumption.channel.do_restore = False


def wait_until(condition: Callable[[], Any], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Poll a condition that another process brings about."""
    never, deadline = Event(), monotonic() + timeout_s
    while not condition():
        assert monotonic() < deadline, f"waited {timeout_s} s in vain: {what}"
        never.wait(0.02)


def server_answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
