"""Outcomes that are awaited, on real result backends: what a worker stores or sends is what the publisher gets."""

import asyncio
import json
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
import redis

from balance_client import AsyncBalanceClient, JobParked, OutcomeTimeout
from tests.integration.test_client_outcomes import CLOSED_PORT, DEBIT
from tests.support.answered import Answer
from tests.support.looped import looped, until
from tests.support.servers.proxy import Proxy
from tests.support.servers.queues import taken
from tests.unit.test_client import document


@looped
async def test_outcome_comes_back_exactly(broker_url: str, unique_queue: str, answer: Answer) -> None:
    async with AsyncBalanceClient(broker_url, "billing", queue=unique_queue) as client:
        job = await client.wallets_debit(idempotency_key="k1", **DEBIT)
        answer(document(response={"balance": Decimal("0.100000000000000001")}), "SUCCESS", job)
        outcome = await job
        assert outcome.response == {"balance": Decimal("0.100000000000000001")}
        assert await job.get(timeout_s=0) == outcome, "it can be asked for again"
    assert await job == outcome, "also when the client is closed"


@looped
async def test_outcome_is_waited_for_by_several(broker_url: str, unique_queue: str, answer: Answer) -> None:
    async with AsyncBalanceClient(broker_url, "billing", queue=unique_queue) as client:
        jobs = [await client.wallets_debit(idempotency_key=f"k{number}", **DEBIT) for number in range(4)]
        with pytest.raises(OutcomeTimeout, match=r"key=k0 within 0 s; the job may still be applied: publish it again"):
            await jobs[0].get(timeout_s=0)
        with pytest.raises(OutcomeTimeout, match=r"key=k0 within 0\.05 s"):
            await jobs[0].get(timeout_s=0.05)
        waiting = [asyncio.create_task(job.get(20)) for job in (*jobs, jobs[0])]
        for job in reversed(jobs):
            await asyncio.to_thread(answer, {"pid": 1}, "STARTED", job)  # on the way: no outcome
            await asyncio.to_thread(answer, document(idempotency_key=job.idempotency_key), "SUCCESS", job)
        outcomes = await asyncio.gather(*waiting)
    assert [each.idempotency_key for each in outcomes] == ["k0", "k1", "k2", "k3", "k0"]


@looped
async def test_refusals_and_dead_letters_are_told(broker_url: str, unique_queue: str, answer: Answer) -> None:
    async with AsyncBalanceClient(broker_url, "billing", queue=unique_queue) as client:
        refused, parked = await client.submit_many([("wallets.debit", {"idempotency_key": k, **DEBIT}) for k in "rp"])
        error = {"status": 409, "body": {"success": False}}
        body = document(
            idempotency_key="r", status="rejected", code="insufficient_funds", entry=None, response=None, error=error
        )
        answer(body, "SUCCESS", refused)
        answer(RuntimeError("failed: boom (dead letter 7; nothing was applied)"), "FAILURE", parked)
        outcome = await refused.get(10)
        assert (outcome.applied, outcome.code) == (False, "insufficient_funds")
        for _ in range(2):
            with pytest.raises(JobParked, match=r"key=p was not applied: failed: boom"):
                await parked.get(10)


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"producer": "shop"}, "it is of shop key=k1"), ({"entry": 5}, "no answer to this job"), (None, "no answer to")],
)
@looped
async def test_an_answer_to_another_job_is_none(
    broker_url: str, unique_queue: str, answer: Answer, changes: dict[str, Any] | None, told: str
) -> None:
    async with AsyncBalanceClient(broker_url, "billing", queue=unique_queue) as client:
        job = await client.wallets_debit(idempotency_key="k1", **DEBIT)
        answer(None if changes is None else document(**changes), "SUCCESS", job)
        with pytest.raises(OutcomeTimeout, match=told):
            await job.get(timeout_s=0.5)
        if broker_url.startswith("redis"):
            with redis.Redis.from_url(broker_url) as server:  # Celery's backend, unlike ours, overwrites no success
                server.delete(f"celery-task-meta-{job.task_id}")
        waiting = asyncio.create_task(job.get(20))
        await asyncio.to_thread(answer, document(), "SUCCESS", job)
        assert (await waiting).idempotency_key == "k1"


@looped
async def test_outcome_that_nobody_wants_is_not_asked_for(broker_url: str, unique_queue: str) -> None:
    async with AsyncBalanceClient(broker_url, "billing", queue=unique_queue) as client:
        job = await client.wallets_debit(idempotency_key="k1", want_result=False, **DEBIT)
        with pytest.raises(RuntimeError, match="published with want_result=False"):
            await job
    [message] = taken(broker_url, unique_queue)
    headers: dict[str, Any] = dict(message.headers)
    assert headers["ignore_result"] is True


@looped
async def test_publishing_does_not_need_the_result_backend(broker_url: str, unique_queue: str) -> None:
    async with AsyncBalanceClient(broker_url, queue=unique_queue, result_url=CLOSED_PORT) as client:
        job = await client.wallets_debit(idempotency_key="k1", **DEBIT)
        for timeout_s in (3, 0):
            with pytest.raises(OutcomeTimeout, match=rf"within {timeout_s} s \(ConnectionError: "):
                await job.get(timeout_s)
    assert [message.headers["id"] for message in taken(broker_url, unique_queue)] == [job.task_id]


@pytest.mark.parametrize("fault", ["cut", "refuse", "go_silent"])
@looped
async def test_answers_come_again_when_the_backend_does(
    broker_url: str, unique_queue: str, answer: Answer, fault: str
) -> None:
    """Whatever has become of the connection: it is noticed, and made anew, with all that is waited for."""
    with Proxy(broker_url) as proxy:
        async with AsyncBalanceClient(proxy.url, "billing", queue=unique_queue, timeout_s=1) as client:
            first, second = [await client.wallets_debit(idempotency_key=key, **DEBIT) for key in ("a", "b")]
            waiting = [asyncio.create_task(job.get(30)) for job in (first, second)]
            await asyncio.to_thread(answer, document(idempotency_key="a"), "SUCCESS", first)
            await waiting[0]
            getattr(proxy, fault)()
            if fault == "go_silent":  # what RabbitMQ sends into such a connection is lost
                with pytest.raises(OutcomeTimeout, match=r"answer to a ping|heartbeats|Timeout"):
                    await second.get(10)
            await asyncio.to_thread(answer, document(idempotency_key="b"), "SUCCESS", second)
            if fault == "refuse":
                with pytest.raises(OutcomeTimeout, match="Error"):
                    await second.get(0.2)
                proxy.heal()
            assert (await waiting[1]).idempotency_key == "b"


@looped
async def test_nothing_is_left_of_those_who_no_longer_wait(redis_url: str, unique_queue: str) -> None:
    """Cancelled, timed out or answered: the subscription goes with the last that waits."""
    with redis.Redis.from_url(redis_url) as server:
        async with AsyncBalanceClient(redis_url, "billing", queue=unique_queue) as client:
            jobs = [await client.wallets_debit(idempotency_key=f"k{number}", **DEBIT) for number in range(3)]
            keys = [f"celery-task-meta-{job.task_id}" for job in jobs]

            def subscribed() -> list[int]:
                return [number for _, number in server.pubsub_numsub(*keys)]

            waiting = [asyncio.create_task(job.get(30)) for job in jobs]
            short = asyncio.create_task(jobs[1].get(0.05))
            await until(lambda: subscribed() == [1, 1, 1])
            waiting[0].cancel()
            await until(lambda: subscribed() == [0, 1, 1])
            with pytest.raises(OutcomeTimeout):
                await short
            waiting[1].cancel()
            await until(lambda: subscribed() == [0, 0, 1])
            again = asyncio.create_task(jobs[0].get(30))
            await until(lambda: subscribed() == [1, 0, 1])
            for job in (jobs[0], jobs[2]):
                meta = json.dumps(
                    {"status": "SUCCESS", "result": document(idempotency_key=job.idempotency_key)}, default=str
                )
                server.publish(f"celery-task-meta-{job.task_id}", meta)
            assert {(await each).idempotency_key for each in (again, waiting[2])} == {"k0", "k2"}
            await until(lambda: subscribed() == [0, 0, 0])
            for each in waiting[:2]:
                with suppress(asyncio.CancelledError):
                    await each


@looped
async def test_hundreds_are_answered(broker_url: str, unique_queue: str, answer: Answer) -> None:
    async with AsyncBalanceClient(broker_url, "billing", queue=unique_queue) as client:

        async def one(number: int) -> str:
            job = await client.wallets_debit(idempotency_key=f"k{number}", **DEBIT)
            jobs.append(job)
            return (await job.get(50)).idempotency_key

        jobs: list[Any] = []
        tasks = [asyncio.create_task(one(number)) for number in range(300)]
        await until(lambda: len(jobs) == len(tasks), 30)

        def answer_all() -> None:
            for job in jobs:
                answer(document(idempotency_key=job.idempotency_key), "SUCCESS", job)

        await asyncio.to_thread(answer_all)
        assert await asyncio.gather(*tasks) == [f"k{number}" for number in range(300)]
