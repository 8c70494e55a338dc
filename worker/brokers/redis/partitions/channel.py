"""A channel for one partition on Redis: every step that takes or puts back is fenced by the partition's lease."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kombu.utils.encoding import bytes_to_str
from redis.exceptions import NoScriptError

from worker.brokers.redis import unacked as transport_qos
from worker.brokers.redis.channel import Channel, record_end
from worker.brokers.redis.lua import FENCE, FENCED, PUT_BACK

_LEASES = "balance.lease"


def lease_of(queue: str) -> str:
    """The key of a partition's lease, without the key prefix."""
    return f"{_LEASES}.{queue}"


@dataclass(frozen=True, slots=True)
class PartitionKeys:
    """What a partition has in Redis besides its lists; without the key prefix."""

    queue: str
    lease: str
    unacked: str
    index: str
    frame: int  # bytes that a record has behind the message

    @classmethod
    def of(cls, queue: str, channel: Any) -> PartitionKeys:
        """`channel` says how the records of ordinary queues are called."""
        frame = len(record_end(queue).encode())
        return cls(
            queue, lease_of(queue), f"{channel.unacked_key}.{queue}", f"{channel.unacked_index_key}.{queue}", frame
        )


class PartitionQoS(transport_qos.QoS):
    """What was taken from one partition. It is put back as a whole: any part of it could end up before an older one."""

    channel: PartitionChannel

    def restore(self, tags: list[Any], client: Any = None) -> None:
        """Put back in front all that is unacknowledged. What is still held here comes again, and is replayed."""
        keys = self.channel.keys
        with self.channel.conn_or_acquire(client) as client:
            self.channel.run(PUT_BACK, [keys.unacked, keys.index, keys.queue], [keys.frame], client)

    def renew(self) -> None:
        """Nothing: only the holder of the lease puts back, and the order is that of the times of taking."""

    def restore_visible(self, start: int = 0, num: int | None = 10, interval: int = 10) -> None:
        """Put back when an old record is of nothing that is held here: it was settled without a trace."""
        self._flush()
        known = {*self._delivered, *self._pending.acked, *self._pending.returned}
        with self.channel.conn_or_acquire() as client:
            old = client.zrange(self.unacked_index_key, "-inf", self.latest(client), byscore=True)
            if not {bytes_to_str(tag) for tag in old} <= known:
                self.restore([], client)


class PartitionChannel(Channel):
    """Takes from one partition for as long as its lease holds `token`."""

    QoS = PartitionQoS
    qos: PartitionQoS

    def __init__(self, transport: Any, keys: PartitionKeys, token: str, on_lost: Callable[[], None]) -> None:
        self.keys, self._token, self._on_lost = keys, token, on_lost
        super().__init__(transport)
        self.unacked_key, self.unacked_index_key = keys.unacked, keys.index
        transport.channels.append(self)

    def run(self, script: str, keys: list[str], arguments: list[Any], client: Any) -> Any:
        call = self._call(script, keys, arguments)
        try:
            answer = client.evalsha(*call)
        except NoScriptError:
            client.script_load(FENCE + script)
            answer = client.evalsha(*call)
        return self._answered(answer)

    def _run_with_acks(self, script: str, keys: list[str], arguments: list[Any], client: Any) -> Any:
        return self._answered(super()._run_with_acks(script, keys, arguments, client))

    def _call(self, script: str, keys: list[str], arguments: list[Any]) -> list[Any]:
        return super()._call(FENCE + script, [*keys, self.keys.lease], [*arguments, self._token])

    def _answered(self, answer: Any) -> Any:
        if answer == FENCED:
            self._on_lost()
            return [0, 0]  # nothing was taken, and nothing waits
        return answer
