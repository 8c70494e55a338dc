"""Brokers for the transport: the session's Valkey, and a Redis where one answers."""

import uuid
from collections.abc import Iterator
from typing import Final

import pytest
import redis

from tests.integration.transport.brokers import Broker, server_answers

_REDIS: Final = "redis://127.0.0.1:6379/15"


@pytest.fixture(params=["valkey", "redis"])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """Valkey and, where one answers on this machine, Redis; only keys with a prefix of the test's own are touched."""
    if request.param == "valkey":
        url = str(request.getfixturevalue("redis_url"))
    elif server_answers(_REDIS):
        url = _REDIS
    else:
        pytest.skip("no Redis answers on 127.0.0.1:6379")
    prefix = f"t.{uuid.uuid4().hex}:"
    with redis.Redis.from_url(url) as client:
        yield Broker(url, prefix, client)
        for key in client.scan_iter(f"{prefix}*", count=1000):
            client.delete(key)
