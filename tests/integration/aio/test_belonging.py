"""Where a client of asyncio can be used, and how it ends."""

import asyncio
import socket
import subprocess
import sys
from queue import SimpleQueue
from threading import Event
from typing import Any

import pytest
from kombu import Connection

from balance_client import AsyncBalanceClient, PublishFailed
from tests.integration.test_client_outcomes import DEBIT
from tests.integration.test_client_publishing import ROOT, jobs, keys
from tests.support.looped import looped, until
from tests.support.servers.proxy import Proxy
from tests.support.servers.queues import taken


@looped
async def test_closing_sees_through_what_was_submitted(broker_url: str, unique_queue: str) -> None:
    async with AsyncBalanceClient(broker_url, queue=unique_queue, max_waiting=10) as client:
        tasks = [asyncio.create_task(client.submit(job)) for job in jobs(15)]
        await asyncio.sleep(0)
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(each) for each in ended if isinstance(each, Exception)] == ["the client is closed"] * 5, "had no room"
    assert keys(broker_url, unique_queue) == [f"k{number}" for number in range(10)]
    await client.close()
    for use in (client.submit(jobs(1)[0]), client.submit_many(jobs(2)), client.for_producer("shop").submit(jobs(1)[0])):
        with pytest.raises(RuntimeError, match="the client is closed"):
            await use


@looped
async def test_closing_ends_what_cannot_be_seen_through() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        async with AsyncBalanceClient(url, timeout_s=0.1) as client:
            tasks = [asyncio.create_task(client.submit(job)) for job in jobs(3)]
            await asyncio.sleep(0)
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in ended] == [PublishFailed] * 3


@looped
async def test_whoever_waits_when_it_is_closed_is_told(broker_url: str, unique_queue: str) -> None:
    async with AsyncBalanceClient(broker_url, queue=unique_queue) as client:
        job = await client.wallets_debit(idempotency_key="k1", **DEBIT)
        waiting = [asyncio.create_task(job.get(each)) for each in (None, 30)]
        await asyncio.sleep(0)
    for each in (*waiting, job.get(1), job.get(0)):
        with pytest.raises(RuntimeError, match="the client is closed"):
            await each


@pytest.mark.parametrize("after_use", [True, False])
def test_another_loop_is_told(broker_url: str, unique_queue: str, after_use: bool) -> None:
    client = AsyncBalanceClient(broker_url, queue=unique_queue)
    job: Any = None

    async def use() -> None:
        nonlocal job
        async with client:
            job = await client.wallets_debit(idempotency_key="k1", **DEBIT)
            if not after_use:
                await asyncio.to_thread(asyncio.run, elsewhere())

    async def elsewhere() -> None:
        for each in (client.submit(jobs(1)[0]), client.submit_many(jobs(2)), job.get(1), job.get(0)):
            with pytest.raises(RuntimeError, match="belongs to the event loop that used it first"):
                await each

    asyncio.run(use())
    if after_use:
        asyncio.run(elsewhere())


def test_child_of_a_fork_is_told_and_does_no_harm(broker_url: str, unique_queue: str) -> None:
    command = [sys.executable, "-m", "tests.support.forking_aio", broker_url, unique_queue]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    told = [line.split(":")[0] for line in ended.stdout.splitlines()]
    assert told == ["the client belongs to the process that made it"] * 4
    assert keys(broker_url, unique_queue) == ["before", "after"]


def test_a_loop_that_ends_first_leaves_nobody_waiting(broker_url: str, unique_queue: str) -> None:
    """Without a close: the tasks are cancelled by asyncio.run, and a close in one of them returns."""
    ended: SimpleQueue[str] = SimpleQueue()

    async def never_done(started: asyncio.Event) -> None:
        try:
            async with AsyncBalanceClient(proxy.url, queue=unique_queue) as client:
                await client.submit(jobs(1)[0])
                proxy.delay_s = 0.1
                submitting = asyncio.create_task(client.submit(jobs(1)[0]))
                await asyncio.sleep(0.01)
                started.set()
                await submitting
                await asyncio.sleep(60)
        finally:
            ended.put("closed")

    async def main() -> None:
        started = asyncio.Event()
        task = asyncio.create_task(never_done(started))
        await started.wait()
        assert not task.done()

    with Proxy(broker_url) as proxy:
        asyncio.run(main())
    assert ended.get(timeout=10) == "closed"


@looped
async def test_reply_queue_is_removed_with_the_client(rabbitmq_url: str, unique_queue: str) -> None:
    async with AsyncBalanceClient(rabbitmq_url, queue=unique_queue) as client:
        job = await client.wallets_debit(idempotency_key="k1", **DEBIT)
        waiting = asyncio.create_task(job.get())
        [message] = taken(rabbitmq_url, unique_queue)
        reply_to = str(dict(message.properties)["reply_to"])
        await until(lambda: consumers(rabbitmq_url, reply_to) == 1)
    with pytest.raises(RuntimeError, match="the client is closed"):
        await waiting
    with pytest.raises(Exception, match="NOT_FOUND"):
        consumers(rabbitmq_url, reply_to)


def consumers(url: str, queue: str) -> int:
    with Connection(url) as connection:
        channel: Any = connection.channel()
        return int(channel.queue_declare(queue, passive=True).consumer_count)


@looped
async def test_a_loop_that_is_held_up_loses_nothing(broker_url: str, unique_queue: str) -> None:
    """The publisher's thread goes on while the loop does something else."""
    async with AsyncBalanceClient(broker_url, queue=unique_queue) as client:
        await client.submit(jobs(1)[0])
        tasks = [asyncio.create_task(client.submit(job)) for job in jobs(20)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        Event().wait(0.3)  # held up: blocking is what is tried here
        await asyncio.gather(*tasks)
    assert len(keys(broker_url, unique_queue)) == 21
