"""Sentinels and servers that speak TLS alone: jobs get in, are taken, and their results are read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kombu
import pytest

from balance_client import BalanceClient, PublishFailed
from balance_client.brokers.addresses import kombu_url, redis_address, sentinel_options
from balance_client.brokers.tls import Tls
from tests.support.servers.redis_group import RedisGroup
from tests.support.servers.servers import server_directory
from tests.support.servers.tls import Authority, authority
from worker.brokers.redis.channel import Transport


@pytest.fixture
def known(tmp_path: Path) -> Authority:
    return authority(tmp_path, "known")


@pytest.fixture
def encrypted_group(known: Authority) -> Iterator[RedisGroup]:
    with server_directory() as directory, RedisGroup(directory, known) as group:
        yield group


def test_sentinels_and_servers_over_tls(encrypted_group: RedisGroup, known: Authority, tmp_path: Path) -> None:
    url, tls = encrypted_group.url, Tls(ca=known.ca)
    with BalanceClient(url, tls_ca=known.ca) as client:
        handle = client.users_upsert(user_id=1, idempotency_key="k")
    connection = kombu.Connection(
        kombu_url(url), ssl=tls.options(url), transport=Transport, transport_options=sentinel_options(url, tls)
    )
    with connection:
        channel: Any = connection.channel()
        message = channel.basic_get("balance")
        assert message.headers["task"] == "users.upsert"
        assert channel.client.hlen(channel.unacked_key) == 1
        message.ack()
        assert channel.client.hlen(channel.unacked_key) == 0
        assert channel.server[0] == "balance"
    with redis_address(url).client(tls, 5) as results:
        results.set(f"celery-task-meta-{handle.task_id}", "{}")
        assert results.get(f"celery-task-meta-{handle.task_id}") == b"{}"

    with (
        BalanceClient(url, tls_ca=authority(tmp_path, "other").ca, timeout_s=3) as misled,
        pytest.raises(PublishFailed, match=r"(?i)no sentinel names a primary.*certificate"),
    ):
        misled.users_upsert(user_id=2, idempotency_key="l")
