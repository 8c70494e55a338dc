"""What plain publishing loses without a word, and why ours is not concerned. See docs/guarantees.md."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from kombu import Connection, Exchange, Queue

from balance_client import BalanceClient, PublishFailed


def test_a_lost_binding_swallows_what_is_published(redis_url: str, unique_queue: str) -> None:
    exchange = Exchange("jobs", type="topic")
    with Connection(redis_url) as connection, redis.Redis.from_url(redis_url) as server:
        Queue("plain", exchange, routing_key="job.#")(connection.default_channel).declare()
        producer = connection.Producer()
        producer.publish({}, exchange=exchange, routing_key="job.1", serializer="json")
        assert server.llen("plain") == 1
        server.delete("_kombu.binding.jobs")
        producer.publish({}, exchange=exchange, routing_key="job.2", serializer="json")  # no error
        assert server.llen("plain") == 1
        with BalanceClient(redis_url, queue=unique_queue) as client:
            client.users_update_balance(idempotency_key="k", user_id=1, amount_kopeks=1)
        assert server.llen(unique_queue) == 1
        assert not server.exists(f"_kombu.binding.{unique_queue}")


def publish_until_refused(client: BalanceClient) -> None:
    """A quorum queue lets a few more in than it was told."""
    for number in range(20):
        client.users_update_balance(idempotency_key=f"k{number}", user_id=1, amount_kopeks=1)


def test_rabbitmq_swallows_what_it_cannot_put_into_a_queue(
    rabbitmq_url: str, unique_queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("balance_client.publishing.confirmed.PAUSE_S", 0.01)
    full = {"x-queue-type": "quorum", "x-max-length": 1, "x-overflow": "reject-publish"}
    with Connection(rabbitmq_url) as connection:
        plain = connection.Producer()
        plain.publish({}, exchange="", routing_key=unique_queue, serializer="json")  # no such queue, and no error
        channel: Any = connection.channel()
        channel.queue_declare(unique_queue, durable=True, auto_delete=False, arguments=full)
        with BalanceClient(rabbitmq_url, queue=unique_queue) as client, pytest.raises(PublishFailed, match="full"):
            publish_until_refused(client)
        ready = channel.queue_declare(unique_queue, passive=True).message_count
        for _ in range(10):
            plain.publish({}, exchange="", routing_key=unique_queue, serializer="json")  # no error either
        assert channel.queue_declare(unique_queue, passive=True).message_count == ready
