"""The queues that publishers and workers share. Loads nothing heavy: the producer's client imports it."""

from __future__ import annotations

from typing import Any, Final

BALANCE: Final = "balance"
"""Money jobs: one at a time, in order."""
IO: Final = "balance.io"
"""Work that waits for others, and the scheduled scans."""


def queue_arguments(broker_url: str) -> dict[str, Any] | None:
    """How a queue is declared on this broker. Everybody who declares it must say the same, or RabbitMQ refuses.

    RabbitMQ: a quorum queue, which survives the loss of a node and of power. Redis has no such choice.
    """
    return {"x-queue-type": "quorum"} if broker_url.startswith("amqp") else None
