"""What a client puts on a list of Redis is what kombu would have put there for the same message."""

from __future__ import annotations

import json
import os
from typing import Any

import redis
from kombu import Connection, Producer

from balance_client.brokers.addresses import kombu_url
from balance_client.publishing.ids import new_id
from balance_client.publishing.job_message import JobMessage, job_message
from balance_client.publishing.redis_frame import redis_frame
from models.contracts.wire.travel import PUBLISHED_AT

JOBS: list[tuple[str, dict[str, Any]]] = [
    ("wallets.create", {"idempotency_key": "a", "wallet_id": "w", "name": "Кошелёк \U0001f600"}),
    ("users.update_balance", {"idempotency_key": "b", "user_id": 1, "amount_kopeks": -5, "metadata": {"x": "y"}}),
]


def _by_kombu(url: str, queue: str, message: JobMessage) -> Any:
    body = message.body()
    with Connection(kombu_url(url)) as connection, connection.channel() as channel:
        Producer(channel, auto_declare=False).publish(
            body, exchange="", routing_key=queue, content_type="application/json", content_encoding="utf-8",
            headers=message.headers(body), delivery_mode=2, correlation_id=message.task_id, reply_to="",
        )  # fmt: skip
    with redis.Redis.from_url(url) as server:
        [frame] = server.lrange(queue, 0, -1)
    return json.loads(frame)


def test_a_frame_is_that_of_kombu(redis_url: str) -> None:
    for number, job in enumerate(JOBS):
        for secret in (None, "s" * 32):
            message = job_message(job, "default", want_result=number == 0, secret=secret)
            queue = f"q{number}{secret is None}"
            theirs, ours = _by_kombu(redis_url, queue, message), json.loads(redis_frame(queue, message))
            for each in (theirs, ours):
                del each["headers"][PUBLISHED_AT]  # they were published one after the other
            tags = [each["properties"].pop("delivery_tag") for each in (theirs, ours)]
            assert ours == theirs
            assert [len(tag) for tag in tags] == [36, 36]


def test_ids_differ_also_after_a_fork() -> None:
    made = {new_id() for _ in range(1_000)}
    assert len(made) == 1_000
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writer, new_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 36).decode() not in {new_id() for _ in range(100)}
