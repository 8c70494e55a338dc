"""Who holds the leases of partitions, for whoever looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kombu.utils.encoding import bytes_to_str

from worker.brokers.redis.partitions.channel import lease_of


def holders(channel: Any, queues: Sequence[str]) -> dict[str, str]:
    """The worker of each of these partitions that one holds. `channel`: of any client on the same Redis."""
    if not queues:
        return {}
    prefix = channel.global_keyprefix  # kombu's client puts it in front of no key of this command
    tokens = channel.client.mget([f"{prefix}{lease_of(queue)}" for queue in queues])
    found = zip(queues, tokens, strict=True)
    return {queue: bytes_to_str(token).rpartition("/")[0] for queue, token in found if token is not None}
