"""Publishing from asyncio, on real brokers: what lies in the queue, and what is said when a job is not taken."""

import asyncio
import socket
from contextlib import suppress
from time import monotonic
from typing import Any

import pytest
import redis
from kombu import Connection

from balance_client import AsyncBalanceClient, AsyncJobHandle, InvalidJob, PublishFailed
from balance_client.aio.outgoing import Outgoing
from balance_client.publishing.confirmed import Publisher
from balance_client.publishing.links import Addressed
from balance_client.routing import partition_queue, queue_of
from models.contracts.wire.signature import Signed, sign
from tests.integration.test_client_publishing import TOP_UP, jobs, keys
from tests.support.looped import looped, until
from tests.support.servers.proxy import Proxy
from tests.support.servers.queues import taken

FULL = {"x-max-length": 2, "x-overflow": "reject-publish"}


def limited(url: str, queue: str) -> None:
    """A queue of RabbitMQ's with room for two."""
    with Connection(url) as connection:
        channel: Any = connection.channel()
        channel.queue_declare(queue, durable=True, auto_delete=False, arguments=FULL)


def _outgoing(client: AsyncBalanceClient) -> Outgoing:
    [only] = client._connections._outgoing.values()
    return only


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many jobs left together, each time."""
    sizes: list[int] = []
    send_once = Publisher.send_once

    def counted(publisher: Publisher, addressed: list[Addressed]) -> None:
        sizes.append(len(addressed))
        send_once(publisher, addressed)

    monkeypatch.setattr(Publisher, "send_once", counted)
    return sizes


@looped
async def test_jobs_of_one_moment_leave_together_and_in_order(
    broker_url: str, unique_queue: str, batches: list[int]
) -> None:
    async with AsyncBalanceClient(broker_url, queue=unique_queue) as client:
        handles = await asyncio.gather(*(client.submit(job) for job in jobs(200)))
        assert batches == [200]
        await client.submit_many(jobs(1203))
    assert [handle.idempotency_key for handle in handles] == [f"k{number}" for number in range(200)]
    assert keys(broker_url, unique_queue) == [f"k{number}" for number in (*range(200), *range(1203))]
    assert batches == [200, 500, 500, 203]


@looped
async def test_producers_share_the_connections(broker_url: str, unique_queue: str) -> None:
    secret = "s" * 32
    async with AsyncBalanceClient(broker_url, "door", queue=unique_queue) as client:
        shop = client.for_producer("shop", secret)
        await asyncio.gather(
            client.users_upsert(idempotency_key="d", user_id=1), shop.users_upsert(idempotency_key="s", user_id=1)
        )
        with pytest.raises(InvalidJob, match="The secret is that of shop"):
            await shop.submit(("users.upsert", {"idempotency_key": "x", "user_id": 1, "producer": "door"}))
        with pytest.raises(ValueError, match="is reserved for the system"):
            client.for_producer("balance-worker")
    by_key = {message.payload[1]["idempotency_key"]: message for message in taken(broker_url, unique_queue)}
    assert {key: message.payload[1]["producer"] for key, message in by_key.items()} == {"d": "door", "s": "shop"}
    headers: dict[str, Any] = dict(by_key["s"].headers)
    body = by_key["s"].body if isinstance(by_key["s"].body, bytes) else str(by_key["s"].body).encode()
    reply_to = dict(by_key["s"].properties)["reply_to"]
    signed = Signed("users.upsert", body, headers["balance_signed_at"], task_id=headers["id"], reply_to=reply_to)
    assert headers["balance_signature"] == sign(secret, signed)
    assert "balance_signature" not in dict(by_key["d"].headers)


@looped
async def test_wrong_jobs_are_refused_before_anything_is_sent(broker_url: str, batches: list[int]) -> None:
    async with AsyncBalanceClient(broker_url) as client:
        with pytest.raises(InvalidJob, match=r"^wallets\.top_up: credits_to_add = 1\.5"):
            await client.submit(("wallets.top_up", {**TOP_UP, "credits_to_add": 1.5}))
        with pytest.raises(InvalidJob, match=r"^jobs\[1\]: ") as caught:
            await client.submit_many([jobs(1)[0], ("wallets.top_up", {})])
    assert caught.value.index == 1
    assert batches == []


# --- a broker that does not take it ---------------------------------------------------------------------------------


@looped
async def test_full_queue_is_no_success(rabbitmq_url: str, unique_queue: str) -> None:
    """Exactly those are failures that the broker refused, though all were sent together."""
    limited(rabbitmq_url, unique_queue)
    async with AsyncBalanceClient(rabbitmq_url, queue=unique_queue) as client:
        with pytest.raises(PublishFailed, match="does not take it") as caught:
            await client.submit_many(jobs(6))
    known = caught.value
    assert len(known.accepted) == 2
    assert [len(part) for part in (known.unknown, known.not_sent)] == [4, 0]
    assert all(isinstance(handle, AsyncJobHandle) for handle in (*known.accepted, *known.unknown))
    assert keys(rabbitmq_url, unique_queue) == [handle.idempotency_key for handle in known.accepted]


@looped
async def test_a_full_partition_is_the_trouble_of_its_accounts_alone(rabbitmq_url: str, unique_queue: str) -> None:
    full = partition_queue(unique_queue, 0)
    limited(rabbitmq_url, full)
    async with AsyncBalanceClient(rabbitmq_url, queue=unique_queue, partitions=2) as client:
        wallets = [f"w_{number}" for number in range(20)]
        asked = [client.wallets_debit(idempotency_key=each, wallet_id=each, credits=1) for each in wallets]
        answers = await asyncio.gather(*asked, return_exceptions=True)
    failed = [name for name, each in zip(wallets, answers, strict=True) if isinstance(each, PublishFailed)]
    of_it = [name for name in wallets if queue_of(f"wallet:{name}", unique_queue, 2) == full]
    assert len(of_it) > 2
    assert failed == of_it[2:]
    assert not [each for each in answers if not isinstance(each, PublishFailed | AsyncJobHandle)]
    other = partition_queue(unique_queue, 1)
    with Connection(rabbitmq_url) as connection:
        channel: Any = connection.channel()
        sent_once = len(wallets) - len(of_it)
        await until(lambda: channel.queue_declare(other, passive=True).message_count >= sent_once)
        assert channel.queue_declare(other, passive=True).message_count == sent_once
        for queue in (full, other):
            channel.queue_delete(queue)


@looped
async def test_error_of_redis_is_no_success(redis_url: str, unique_queue: str) -> None:
    with redis.Redis.from_url(redis_url) as server:
        server.set(unique_queue, "not a list")
    async with AsyncBalanceClient(redis_url, queue=unique_queue) as client:
        with pytest.raises(PublishFailed, match=r"key=k0: not accepted by the broker; publish again with the same key"):
            await client.submit(jobs(1)[0])


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
@looped
async def test_silent_broker_is_given_up(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts and never answers
        url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}"
        async with AsyncBalanceClient(url, timeout_s=0.2) as client:
            with pytest.raises(PublishFailed, match="publish again with the same key") as caught:
                await client.submit(jobs(1)[0])
    assert [handle.idempotency_key for handle in caught.value.unknown] == ["k0"]


@looped
async def test_a_broker_that_comes_back_is_found_again(broker_url: str, unique_queue: str) -> None:
    with Proxy(broker_url) as proxy:
        async with AsyncBalanceClient(proxy.url, queue=unique_queue) as client:
            first, away, back, *rest = jobs(20)
            await client.submit(first)
            proxy.refuse()
            with pytest.raises(PublishFailed, match="key=k1: not accepted by the broker"):
                await client.submit(away)
            proxy.heal()
            await client.submit(back)
            proxy.cut()
            await client.submit_many(rest)
    assert keys(broker_url, unique_queue) == ["k0", *(f"k{number}" for number in range(2, 20))]


# --- cancellation and back-pressure ---------------------------------------------------------------------------------


@looped
async def test_cancelled_before_it_left_a_job_does_not_leave(broker_url: str, unique_queue: str) -> None:
    with Proxy(broker_url) as proxy:
        async with AsyncBalanceClient(proxy.url, queue=unique_queue, max_waiting=5) as client:
            first, *rest = jobs(10)
            await client.submit(first)
            proxy.delay_s = 0.1
            leaving = asyncio.create_task(client.submit(rest[0]))
            await until(lambda: _outgoing(client)._turns is not None)
            await asyncio.sleep(0)
            waiting = [asyncio.create_task(client.submit(job)) for job in rest[1:8]]  # four wait, three for room
            many = asyncio.create_task(client.submit_many(rest[8:]))
            await asyncio.sleep(0)
            for each in (*waiting[:2], waiting[5], many):
                each.cancel()
            proxy.delay_s = 0
            ended = await asyncio.gather(leaving, *waiting, many, return_exceptions=True)
    cancelled = [isinstance(each, asyncio.CancelledError) for each in ended]
    assert cancelled == [False, True, True, False, False, False, True, False, True]
    assert keys(broker_url, unique_queue) == ["k0", "k1", "k4", "k5", "k6", "k8"]


@looped
async def test_cancelled_after_it_left_others_are_not_concerned(broker_url: str, unique_queue: str) -> None:
    with Proxy(broker_url) as proxy:
        async with AsyncBalanceClient(proxy.url, queue=unique_queue) as client:
            await client.submit(jobs(1)[0])
            proxy.delay_s = 0.1
            tasks = [asyncio.create_task(client.submit(job)) for job in jobs(4)]
            await asyncio.sleep(0.02)
            tasks[1].cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            proxy.delay_s = 0
            assert [isinstance(each, AsyncJobHandle) for each in ended] == [True, False, True, True]
            await client.submit(jobs(1)[0])
    assert keys(broker_url, unique_queue) == ["k0", "k0", "k1", "k2", "k3", "k0"]


@looped
async def test_whoever_submits_too_much_waits_for_room(broker_url: str, unique_queue: str, batches: list[int]) -> None:
    async with AsyncBalanceClient(broker_url, queue=unique_queue, max_waiting=7) as client:
        await asyncio.gather(*(client.submit(job) for job in jobs(50)), client.submit_many(jobs(30)))
    assert max(batches) == 7
    assert sorted(keys(broker_url, unique_queue)) == sorted([f"k{number}" for number in (*range(50), *range(30))])


@looped
async def test_room_that_was_waited_for_in_vain_is_free_again(unique_queue: str) -> None:
    """Whoever gives up while the broker is away leaves no trace: nobody's room gets less."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        async with AsyncBalanceClient(url, timeout_s=0.2, max_waiting=3) as client:
            began = monotonic()
            tasks = [asyncio.create_task(client.submit(job)) for job in jobs(9)]
            await asyncio.sleep(0.01)
            for each in tasks[1:8]:
                each.cancel()
            for each in (tasks[0], tasks[8]):
                with pytest.raises(PublishFailed):
                    await each
            for each in tasks[1:8]:
                with suppress(asyncio.CancelledError):
                    await each
            assert _outgoing(client)._room == 3
            assert monotonic() - began < 10
