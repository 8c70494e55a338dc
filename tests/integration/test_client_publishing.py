"""The producer's client on real brokers: what lies in the queue, and what is said when the broker does not take it."""

import base64
import json
import socket
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import time
from typing import Any

import pytest
import redis
from celery import Celery
from kombu import Connection, Exchange, Queue

from balance_client import BalanceClient, PublishFailed
from balance_client.publishing.confirmed import ATTEMPTS
from balance_client.publishing.job_message import JobSpec
from balance_client.publishing.links import Addressed, RedisLink
from balance_client.routing import queue_arguments
from models.contracts.message import parse
from models.contracts.spec.examples import EXAMPLES
from models.contracts.wire.travel import PUBLISHED_AT
from tests.support.servers.proxy import Proxy
from tests.support.servers.queues import taken

TOP_UP: dict[str, Any] = {
    "idempotency_key": "k1",
    "producer": "billing",
    "wallet_id": "w_1",
    "credits_to_add": "12.5",
    "transaction_reason": "PURCHASED_CREDIT_DIRECT",
}
PERSISTENT: Any = 2
MAY_DIFFER = {"id", "root_id", "origin", "correlation_id", "delivery_tag", "reply_to", "argsrepr", "kwargsrepr"}

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["redis", "rabbitmq"])
def broker_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("balance_client.publishing.confirmed.PAUSE_S", 0.01)


def jobs(number: int) -> list[JobSpec]:
    return [("wallets.top_up", {**TOP_UP, "idempotency_key": f"k{index}"}) for index in range(number)]


def keys(url: str, queue: str) -> list[str]:
    return [message.payload[1]["idempotency_key"] for message in taken(url, queue)]


def celery_app(url: str, queue: str) -> Celery:
    app = Celery(broker=url, set_as_current=False)
    arguments = queue_arguments(url)
    app.conf.task_queues = [Queue(queue, Exchange(""), routing_key=queue, queue_arguments=arguments)]
    return app


# --- the wire -------------------------------------------------------------------------------------------------------


def test_message_equals_that_of_send_task(broker_url: str, unique_queue: str) -> None:
    with BalanceClient(broker_url, producer="billing", queue=unique_queue) as client:
        client.submit(("wallets.top_up", TOP_UP))
    with celery_app(broker_url, unique_queue) as app:
        app.send_task("wallets.top_up", kwargs=TOP_UP, queue=unique_queue)
    ours, theirs = taken(broker_url, unique_queue)
    assert ours.body == theirs.body
    headers: Any = ours.headers
    assert 0 <= time() - headers.pop(PUBLISHED_AT) < 60, "the one header that is ours alone"
    for part in ("content_type", "content_encoding", "headers", "properties", "delivery_info"):
        assert fixed(getattr(ours, part)) == fixed(getattr(theirs, part)), part
    assert ours.payload == [[], TOP_UP, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]


def fixed(part: Any) -> Any:
    """Without what differs between two messages of one publisher; that it is there is compared all the same."""
    if not isinstance(part, dict):
        return part
    skipped = {"message_count", "application_headers"}
    return {name: name if name in MAY_DIFFER else fixed(value) for name, value in part.items() if name not in skipped}


def test_frame_on_redis_equals_that_of_send_task(redis_url: str, unique_queue: str) -> None:
    with BalanceClient(redis_url, producer="billing", queue=unique_queue) as client:
        client.submit_many([("wallets.top_up", TOP_UP)])
    with celery_app(redis_url, unique_queue) as app:
        app.send_task("wallets.top_up", kwargs=TOP_UP, queue=unique_queue)
    with redis.Redis.from_url(redis_url) as server:
        theirs, ours = (json.loads(frame) for frame in server.lrange(unique_queue, 0, -1))
    assert 0 <= time() - ours["headers"].pop(PUBLISHED_AT) < 60, "the one header that is ours alone"
    assert list(ours) == list(theirs)
    assert base64.b64decode(ours["body"]) == base64.b64decode(theirs["body"])
    assert fixed(ours) == fixed(theirs)


def test_every_example_arrives_as_it_was_meant(broker_url: str, unique_queue: str) -> None:
    asked = [(name, example) for name, examples in EXAMPLES.items() for example in examples]
    with BalanceClient(broker_url, queue=unique_queue) as client:
        handles = client.submit_many(asked)
    arrived = list(taken(broker_url, unique_queue))
    assert [message.headers["id"] for message in arrived] == [handle.task_id for handle in handles]
    for (name, example), message in zip(asked, arrived, strict=True):
        assert parse(message.headers["task"], message.payload[1]).fingerprint == parse(name, example).fingerprint


def test_many_keep_their_order(broker_url: str, unique_queue: str) -> None:
    with BalanceClient(broker_url, queue=unique_queue) as client:
        handles = client.submit_many(jobs(1203), chunk=500)
    assert [handle.idempotency_key for handle in handles] == [f"k{index}" for index in range(1203)]
    assert keys(broker_url, unique_queue) == [f"k{index}" for index in range(1203)]


def test_threads_share_a_client(broker_url: str, unique_queue: str) -> None:
    with BalanceClient(broker_url, queue=unique_queue) as client, ThreadPoolExecutor(8) as pool:
        list(pool.map(client.submit, jobs(200)))
    assert sorted(keys(broker_url, unique_queue)) == sorted(f"k{index}" for index in range(200))


def test_child_of_a_fork_has_a_connection_of_its_own(broker_url: str, unique_queue: str) -> None:
    command = [sys.executable, "-m", "tests.support.forking", broker_url, unique_queue]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    assert keys(broker_url, unique_queue) == ["before", "k0", "k1", "k2", "after"]


# --- RabbitMQ's queue -----------------------------------------------------------------------------------------------


def test_queue_is_durable_and_replicated(rabbitmq_url: str, unique_queue: str) -> None:
    with BalanceClient(rabbitmq_url, queue=unique_queue) as client:
        client.submit(jobs(1)[0])
    with Connection(rabbitmq_url) as connection:
        same: Any = connection.channel()
        same.queue_declare(unique_queue, durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
    [message] = taken(rabbitmq_url, unique_queue)
    assert dict(message.properties)["delivery_mode"] == PERSISTENT


def test_queue_of_the_operators_own_is_used_as_it_is(rabbitmq_url: str, unique_queue: str) -> None:
    with Connection(rabbitmq_url) as connection:
        channel: Any = connection.channel()
        channel.queue_declare(unique_queue, durable=True, auto_delete=False, arguments={"x-max-length": 10})
    with BalanceClient(rabbitmq_url, queue=unique_queue) as client:
        client.submit(jobs(1)[0])
    assert keys(rabbitmq_url, unique_queue) == ["k0"]


def test_queue_that_vanished_is_noticed_and_made_again(rabbitmq_url: str, unique_queue: str) -> None:
    with BalanceClient(rabbitmq_url, queue=unique_queue) as client:
        client.submit(jobs(1)[0])
        with Connection(rabbitmq_url) as connection:
            channel: Any = connection.channel()
            channel.queue_delete(unique_queue)
        client.submit(("wallets.top_up", {**TOP_UP, "idempotency_key": "second"}))
    assert keys(rabbitmq_url, unique_queue) == ["second"]


def test_full_queue_is_no_success(rabbitmq_url: str, unique_queue: str) -> None:
    limits = {"x-max-length": 2, "x-overflow": "reject-publish"}
    with Connection(rabbitmq_url) as connection:
        channel: Any = connection.channel()
        channel.queue_declare(unique_queue, durable=True, auto_delete=False, arguments=limits)
    with (
        BalanceClient(rabbitmq_url, queue=unique_queue) as client,
        pytest.raises(PublishFailed, match="does not take it") as caught,
    ):
        client.submit_many(jobs(6), chunk=2)
    assert [len(part) for part in (caught.value.accepted, caught.value.unknown, caught.value.not_sent)] == [2, 2, 2]
    assert keys(rabbitmq_url, unique_queue) == ["k0", "k1"]


# --- a broker that does not take it ---------------------------------------------------------------------------------


def test_error_of_redis_is_no_success(redis_url: str, unique_queue: str) -> None:
    with redis.Redis.from_url(redis_url) as server:
        server.set(unique_queue, "not a list")
    with (
        BalanceClient(redis_url, queue=unique_queue) as client,
        pytest.raises(PublishFailed, match=r"key=k0: not accepted by the broker; publish again with the same key"),
    ):
        client.submit(jobs(1)[0])


def test_failure_among_many_tells_what_is_known(
    redis_url: str, unique_queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, calls = RedisLink.send, 0

    def fails_from_the_second_chunk_on(link: RedisLink, messages: Sequence[Addressed]) -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise ConnectionResetError("cut")
        send(link, messages)

    monkeypatch.setattr(RedisLink, "send", fails_from_the_second_chunk_on)
    with (
        BalanceClient(redis_url, queue=unique_queue) as client,
        pytest.raises(PublishFailed, match="publish all of them again") as caught,
    ):
        client.submit_many(jobs(25), chunk=10)
    assert calls == 1 + ATTEMPTS
    known = caught.value
    assert [handle.idempotency_key for handle in known.accepted] == [f"k{index}" for index in range(10)]
    assert [handle.idempotency_key for handle in known.unknown] == [f"k{index}" for index in range(10, 20)]
    assert [handle.idempotency_key for handle in known.not_sent] == [f"k{index}" for index in range(20, 25)]
    assert str(known).startswith("10 jobs accepted by the broker, 10 unknown, 5 not sent; ")


def test_lost_connection_is_replaced(broker_url: str, unique_queue: str) -> None:
    with Proxy(broker_url) as proxy, BalanceClient(proxy.url, queue=unique_queue) as client:
        client.submit(("wallets.top_up", {**TOP_UP, "idempotency_key": "first"}))
        proxy.cut()
        client.submit(("wallets.top_up", {**TOP_UP, "idempotency_key": "second"}))
    assert keys(broker_url, unique_queue) == ["first", "second"]


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_silent_broker_is_given_up(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts and never answers
        url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}//"
        with (
            BalanceClient(url.rstrip("/"), timeout_s=0.2) as client,
            pytest.raises(PublishFailed, match="publish again with the same key"),
        ):
            client.submit(jobs(1)[0])


def test_closed_client_says_so(broker_url: str, unique_queue: str) -> None:
    client = BalanceClient(broker_url, queue=unique_queue)
    client.submit(jobs(1)[0])
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match="the client is closed"):
        client.submit(jobs(1)[0])
