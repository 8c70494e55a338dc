"""Brokers of a run's own: to be killed, frozen and filled up, which the machine's must never be."""

from __future__ import annotations

import json
import random
import signal
from typing import Final, Protocol

import redis

from tests.support.servers.rabbitmq_node import RabbitMQNode
from worker.local.servers.embedded import EmbeddedValkey

HEARTBEAT_S: Final = 6  # RabbitMQ gives a silent connection up after twice this


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

    def stop(self) -> None:
        self.thaw()
        super().stop()

    def freeze(self) -> None:
        """The kernel still takes connections for it, and nobody answers."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

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
