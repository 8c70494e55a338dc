"""kombu's own Redis transport, as it is but for what nobody may do to the queues of money jobs."""

from __future__ import annotations

from worker.brokers.redis.server import ServerTransport


class Transport(ServerTransport):
    """Celery and kombu see the Redis transport."""
