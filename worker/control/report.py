"""What a worker tells the doctor about itself: `celery -A worker.app inspect balance_report`."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from time import monotonic
from typing import Any, Final

from celery.worker.control import inspect_command

from models.store.connection import whereabouts
from worker.beat.heard import beats
from worker.brokers.redis.server import ServerChannel
from worker.clock import now
from worker.encoding.places import connected_place, database_place
from worker.settings.settings import Settings

REPORT: Final = "balance_report"
_STARTED: Final = monotonic()
_TICKS: Final[dict[str, float]] = {}  # by name, when it last began here (monotonic seconds)


def ticked(name: str) -> None:
    """This tick begins here."""
    _TICKS[name] = monotonic()


@inspect_command(name=REPORT)
def report(state: Any) -> dict[str, Any]:
    """Version, where its broker and database are, transport, queues, prefetch, clock, beats that it hears, how long
    ago it ran each tick (seconds), what it settled in the last minute, faults since its start, and what keeps it from
    its work."""
    consumer, at = state.consumer, monotonic()
    settings: Settings = consumer.app.runtime.settings
    return {
        "version": version("balance-worker"),
        "broker": connected_place(consumer.connection),
        "broker_server": _server_of(consumer.connection),
        "database": database_place(settings.database_url),
        "database_server": whereabouts.server(),
        "queue": settings.queue,
        "io_queue": settings.tick_queue,
        "partitions": settings.partitions,
        "shard": None if settings.shard is None else str(settings.shard),
        "queues": sorted(consumer.consumed),
        "unusable": consumer.unusable.why,
        "transport": settings.redis_transport if settings.broker_kind == "redis" else "amqp",
        "visibility_timeout_s": settings.visibility_timeout_s,
        "prefetch": consumer.initial_prefetch_count,
        "settled_unacknowledged": consumer.unacknowledged,
        "unacknowledged": consumer.held,
        "recent": consumer.recent.told(),
        "faults": dict(consumer.app.runtime.faults.counts),
        "pool_size": settings.pool_size,
        "now": now().timestamp(),
        "up_s": at - _STARTED,
        "ticks": {name: at - began for name, began in _TICKS.items()},
        "beats": beats(),
        "left_out": consumer.readiness.left_out,
        "troubles": [asdict(each) for each in consumer.readiness.troubles()],
    }


def _server_of(connection: Any) -> str | None:
    """The machine that it is connected to, which sentinels or the list in the URL have led to."""
    channel = connection.default_channel
    host, port = channel.at if isinstance(channel, ServerChannel) else (connection.hostname, connection.port)
    return f"{host}:{port}"
