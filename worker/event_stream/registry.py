"""The stream that a deployment has."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from balance_client.brokers.addresses import AMQP
from tasks.events.stream import EventStream
from worker.event_stream.address import StreamAddress
from worker.event_stream.rabbitmq import RabbitMQStream
from worker.event_stream.redis import RedisStream
from worker.settings.settings import Settings

if TYPE_CHECKING:
    from worker.tracing.tracer import Tracer


def event_stream_of(settings: Settings, tracer: Tracer | None = None) -> EventStream | None:
    """The one that the settings name, which connects when it is first used; None where there is none."""
    if not settings.event_stream:
        return None
    own = settings.event_stream_url
    address = StreamAddress(
        url=settings.broker_url if own is None else own,
        setting="BALANCE_BROKER_URL" if own is None else "BALANCE_EVENT_STREAM_URL",
        name=settings.event_stream_name,
        timeout_s=settings.broker_socket_timeout_s,
        tls=settings.tls,
    )
    stream: EventStream
    if urlsplit(address.url).scheme in AMQP:
        stream = RabbitMQStream(address)
    else:
        stream = RedisStream(address, settings.event_stream_age_s, settings.event_stream_length)
    if tracer is None:
        return stream
    from worker.tracing.stream import TracedStream

    return TracedStream(stream, tracer)
