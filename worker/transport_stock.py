"""kombu's own Redis transport, as it is but for what nobody may do to the queues of money jobs."""

from __future__ import annotations

from typing import Any

from kombu.transport import redis

from worker.kept_queues import KeepsQueues

_stock: Any = redis  # its stubs leave out most of what is built on here


class Channel(KeepsQueues, _stock.Channel):  # type: ignore[misc]  # Any, see _stock
    """A channel that destroys no job at a word."""

    from_transport_options = (*_stock.Channel.from_transport_options, "kept_queues")


class Transport(_stock.Transport):  # type: ignore[misc]  # Any, see _stock
    """Celery and kombu see the Redis transport."""

    Channel = Channel
