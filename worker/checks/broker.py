"""The broker: reached as the workers reach it, then examined by its kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from celery import Celery

from tasks.brokers.tls import advice
from worker.broker_refusals import next_step
from worker.checks import rabbitmq, redis_server
from worker.checks.finding import Finding, failure, ok
from worker.checks.steps import told
from worker.settings import Settings
from worker.urls import mask_url

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
        if settings.broker_kind == "redis":
            yield from redis_server.examine(channel, settings)
        else:
            yield from rabbitmq.examine(connection, settings)
