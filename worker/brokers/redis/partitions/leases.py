"""The partitions on Redis that one consumer serves: it takes from one only while it holds its lease.

    beat     about once a second: renews what is held, gives up what was lost, claims what is free
    claim    the lease, and everything unacknowledged put back in order, in one step; then the partition is consumed
    lose     the partition is no longer consumed, and what waits in memory is forgotten: the new holder has it
    stop     on a stop what is left is put back and the lease given up; after a lost connection it is claimed again

RabbitMQ does all this by itself (single active consumer). Why it keeps the order: docs/decisions/0007-partitions.md
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from uuid import uuid4

import structlog

from worker.brokers.redis.lua import CLAIM, FENCED, RELEASE, RENEW_LEASES
from worker.brokers.redis.partitions.channel import PartitionChannel, PartitionKeys

_LOG: Final = structlog.get_logger(__name__)
_BEAT_MAX_S: Final = 1.0  # how soon a partition that was given up is taken over


class Leases:
    """Partitions to serve and partitions held, for as long as one consumer lives, also across its connections."""

    def __init__(self, consumer: Any, lease_s: float, prefetch: int) -> None:
        self._consumer = consumer
        self._lease_s, self._prefetch = lease_s, prefetch
        self._served: list[str] = []
        self._tokens: dict[str, str] = {}  # by queue, of the leases that may still be ours
        self._held: dict[str, PartitionChannel] = {}  # by queue
        self._timer: Any = None
        self._connected = False

    @property
    def served(self) -> list[str]:
        """The partitions that this consumer stands for, whether it holds them or not."""
        return [*self._served]

    def serve(self, queues: Iterable[str]) -> None:
        """Claim these partitions too: on the next beat, or the next connection."""
        self._served += [queue for queue in queues if queue not in self._served]
        self._go_on()

    def leave(self, queue: str) -> None:
        """Serve this partition no longer."""
        if queue in self._served:
            self._served.remove(queue)
            self._release(queue)

    def start(self) -> None:
        """On a new connection: claim what is free, and go on."""
        self._connected = True
        self._go_on()

    def _go_on(self) -> None:
        if self._connected and self._served and self._timer is None:
            self.beat()
            self._timer = self._consumer.timer.call_repeatedly(min(self._lease_s / 3, _BEAT_MAX_S), self.beat)

    def stop(self, *, release: bool) -> None:
        """Stop consuming. Without `release` (the connection is lost) the leases stay ours until they expire."""
        self._connected = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if release:
            for queue in [*self._held]:
                self._release(queue)
        self._held.clear()

    def beat(self) -> None:
        """Renew, lose, claim."""
        for queue in self._not_renewed():
            self._lose(queue)
        for queue in self._free():
            self._claim(queue)

    # -- one partition

    def _claim(self, queue: str) -> None:
        keys, token = self._keys(queue), f"{self._consumer.hostname}/{uuid4().hex}"
        arguments = [token, self._lease_ms, self._tokens.get(queue, ""), keys.frame]
        restored = self._run(CLAIM, [keys.lease, keys.unacked, keys.index, keys.queue], arguments)
        if restored == FENCED:  # somebody was faster
            self._tokens.pop(queue, None)
            return
        self._tokens[queue] = token
        self._held[queue] = self._consume(keys, token)
        _LOG.info("partition.acquired", partition=queue, put_back=restored)

    def _consume(self, keys: PartitionKeys, token: str) -> PartitionChannel:
        consumer = self._consumer

        def on_message(message: Any) -> None:
            consumer.task_consumer.on_message(message)  # set when the event loop starts

        # The loss is found in the middle of taking: the channel is closed after that.
        channel = PartitionChannel(
            consumer.connection.connection, keys, token,
            lambda: consumer.hub.call_soon(self._found_lost, keys.queue, token),
        )  # fmt: skip
        channel.basic_qos(0, self._prefetch, False)
        consumer.app.amqp.TaskConsumer(
            channel, queues=[consumer.app.amqp.queues[keys.queue]], on_decode_error=consumer.on_decode_error,
            on_message=on_message,
        ).consume()  # fmt: skip
        return channel

    def _found_lost(self, queue: str, token: str) -> None:
        """Found by each take of a channel, until it is closed; the partition may be ours again by then."""
        if self._tokens.get(queue) == token:
            self._lose(queue)

    def _lose(self, queue: str) -> None:
        self._tokens.pop(queue, None)
        channel = self._held.pop(queue, None)
        if channel is None:
            return
        _LOG.warning(
            "partition.lost", partition=queue, next="another consumer has it, with all that was not acknowledged"
        )
        self._consumer.forget(channel)
        channel.close()

    def _release(self, queue: str) -> None:
        channel, token = self._held.pop(queue, None), self._tokens.pop(queue, "")
        if channel is None:
            return
        self._consumer.forget(channel)
        channel.close()  # puts back what is unacknowledged
        if self._run(RELEASE, [self._keys(queue).lease], [token]):
            _LOG.info("partition.released", partition=queue)

    # -- all partitions

    def _not_renewed(self) -> list[str]:
        held = [*self._held]
        if not held:
            return []
        keys = [self._keys(queue).lease for queue in held]
        renewed = self._run(RENEW_LEASES, keys, [self._lease_ms, *(self._tokens.get(queue, "") for queue in held)])
        return [queue for queue, ours in zip(held, renewed, strict=True) if not ours]

    def _free(self) -> list[str]:
        wanted = [queue for queue in self._served if queue not in self._held]
        if not wanted:
            return []
        control = self._control
        with control.conn_or_acquire() as client:
            # kombu's client puts the key prefix in front of no key of this command
            holders = client.mget([f"{control.global_keyprefix}{self._keys(queue).lease}" for queue in wanted])
        free = (None, *(token.encode() for token in self._tokens.values()))
        return [queue for queue, holder in zip(wanted, holders, strict=True) if holder in free]

    @property
    def _control(self) -> Any:
        return self._consumer.connection.default_channel

    @property
    def _lease_ms(self) -> int:
        return round(self._lease_s * 1000)

    def _keys(self, queue: str) -> PartitionKeys:
        return PartitionKeys.of(queue, self._control)

    def _run(self, script: str, keys: list[str], arguments: list[Any]) -> Any:
        with self._control.conn_or_acquire() as client:
            return self._control.run(script, keys, arguments, client)
