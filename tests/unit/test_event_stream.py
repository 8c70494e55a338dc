"""Which stream the settings name, and what to do about what its broker refuses."""

from __future__ import annotations

from typing import Any

import pytest
from amqp import exceptions as amqp
from redis import exceptions as redis

from balance_client.brokers.tls import Tls
from worker.brokers.refusals import TakesNothing
from worker.event_stream.address import StreamAddress
from worker.event_stream.rabbitmq import RabbitMQStream
from worker.event_stream.redis import RedisStream
from worker.event_stream.refusals import NotTaken, down
from worker.event_stream.registry import event_stream_of
from worker.settings.settings import Settings


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({}, RedisStream),
        ({"broker_url": "amqp://h//"}, RabbitMQStream),
        ({"broker_url": "amqp://h//", "event_stream_url": "redis://h/3"}, RedisStream),
        ({"event_stream_url": "amqps://h//"}, RabbitMQStream),
        ({"event_stream_url": "sentinel://a;sentinel://b/0?master_name=m"}, RedisStream),
        ({"event_stream": False}, type(None)),
        ({"event_stream": False, "event_stream_url": "redis://h/3"}, type(None)),
    ],
)
def test_the_stream_is_where_the_settings_say(settings: dict[str, Any], kind: type) -> None:
    stream = event_stream_of(Settings(**settings))
    assert type(stream) is kind
    if stream is not None:
        stream.close()  # nothing was opened


ADDRESS = StreamAddress("amqp://wu:hunter2@h:5672/shop", "BALANCE_EVENT_STREAM_URL", "balance.events", 1.0, Tls())


@pytest.mark.parametrize(
    ("error", "step"),
    [
        (redis.BusyLoadingError("Redis is loading the dataset in memory"), "nothing: it reads its file"),
        (redis.ReadOnlyError("You can't write against a read only replica."), "names the primary"),
        (redis.OutOfMemoryError("Command # 1 (XADD s * event {}) of pipeline caused error: no"), "raise its maxmemory"),
        (redis.AuthenticationError("Authentication required."), "user and password in BALANCE_EVENT_STREAM_URL, now"),
        (redis.NoPermissionError("no permissions to run the 'xadd' command"), "ACL SETUSER"),
        (
            redis.ResponseError("Command # 9 (XADD s * a\nb) of pipeline caused error: WRONGTYPE Operation"),
            "rename key",
        ),
        (redis.ExecAbortError("Transaction discarded because of previous errors."), "see the log of Redis"),
        (ConnectionRefusedError(111, "Connection refused"), "that BALANCE_EVENT_STREAM_URL, now"),
        (amqp.PreconditionFailed("inequivalent arg 'type' for exchange", (40, 10)), "delete exchange balance.events"),
        (amqp.NotFound("no exchange 'balance.events'", (60, 40)), "bind their queues"),
        (
            amqp.AccessRefused("access to exchange 'e' in vhost 'shop' refused for user 'wu'", (40, 10)),
            "set_permissions",
        ),
        (amqp.ConnectionForced("CONNECTION_FORCED - shutdown", (0, 0)), "connects again"),
        (TakesNothing(), "free memory or disk space of RabbitMQ"),
        (NotTaken("1 of 2 events were rejected"), "make room in the queues that are bound"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_refusal_has_its_next_step_and_shows_no_event(error: Exception, step: str) -> None:
    text = str(down(error, ADDRESS))
    assert step in text.partition("; next: ")[2]
    assert "hunter2" not in text
    assert "XADD" not in text
