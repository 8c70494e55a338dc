"""The broker: reached as the workers reach it, then examined by its kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from celery import Celery

from balance_client.brokers.tls import advice
from worker.brokers.refusals import next_step
from worker.doctor.brokers import rabbitmq, redis_server
from worker.doctor.brokers.partitions import examine_partitions
from worker.doctor.finding import Finding, failure, ok
from worker.doctor.steps import told
from worker.encoding.urls import mask_url
from worker.settings.settings import Settings

_PATIENCE_S: Final = 5.0


def examine_broker(app: Celery, settings: Settings) -> Iterator[Finding]:
    """Ends after the first finding when nothing answers."""
    with app.connection_for_write(connect_timeout=_PATIENCE_S) as connection:
        # Not `default_channel` before `connect`: it would try for minutes.
        broken: Any = (*connection.connection_errors, *connection.channel_errors, OSError)
        try:
            connection.connect()
            channel: Any = connection.default_channel
            if settings.broker_kind == "redis":
                channel.client.ping()
        except broken as error:
            yield failure(
                "broker.reachable", advice(told(error)),
                "Nothing can be published, and nothing is worked on. Workers wait, and go on by themselves.",
                next_step(error, settings.broker_url),
            )  # fmt: skip
            return
        yield ok("broker.reachable", mask_url(settings.broker_url))
        yield from examine_partitions(settings)
        if settings.broker_kind == "redis":
            yield from redis_server.examine(channel, settings)
        else:
            yield from rabbitmq.examine(connection, settings)
