"""Handles on real result backends: what a worker stores or sends is what the publisher gets, or is told why not."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Event
from time import monotonic
from typing import Any

import pytest
import redis
from amqp.exceptions import NotFound
from kombu import Connection

from balance_client import BalanceClient, JobParked, OutcomeTimeout
from tests.support.answered import Answer, answering
from tests.support.servers.queues import taken
from tests.unit.test_client import document
from worker.encoding.serialization import EXACT_JSON

DEBIT: dict[str, Any] = {"wallet_id": "w_1", "credits": "2"}
CLOSED_PORT = "redis://127.0.0.1:1/0"


@pytest.fixture(params=["redis", "rabbitmq"])
def broker_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def client(broker_url: str, unique_queue: str) -> Iterator[BalanceClient]:
    with BalanceClient(broker_url, "billing", queue=unique_queue) as client:
        yield client


@pytest.fixture(params=[EXACT_JSON, "json"])
def answer(request: pytest.FixtureRequest, broker_url: str, unique_queue: str) -> Iterator[Answer]:
    """As a worker with our serializer, and one with Celery's own."""
    with answering(broker_url, unique_queue, request.param) as store:
        yield store


def test_outcome_comes_back_exactly(client: BalanceClient, answer: Answer) -> None:
    job = client.wallets_debit(idempotency_key="k1", **DEBIT)
    answer(document(response={"balance": Decimal("0.100000000000000001")}), "SUCCESS", job)
    outcome = job.get(timeout_s=10)
    assert outcome.response == {"balance": Decimal("0.100000000000000001")}
    assert outcome.entry is not None
    assert outcome.entry.amount == 12_500_000_000
    assert job.get(timeout_s=0) == outcome, "it can be asked for again"


def test_outcome_is_waited_for(client: BalanceClient, answer: Answer) -> None:
    job = client.wallets_debit(idempotency_key="k1", **DEBIT)
    with pytest.raises(OutcomeTimeout, match=r"key=k1 within 0 s; the job may still be applied: publish it again"):
        job.get(timeout_s=0)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(job.get, 20)
        answer(document(code="unchanged"), "SUCCESS", job)
        assert waiting.result(timeout=20).code == "unchanged"


def test_several_wait_at_once(client: BalanceClient, answer: Answer) -> None:
    jobs = [client.wallets_debit(idempotency_key=f"k{index}", **DEBIT) for index in range(4)]
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(job.get, 20) for job in jobs]
        for job in reversed(jobs):
            answer(document(idempotency_key=job.idempotency_key), "SUCCESS", job)
        keys = [each.result(timeout=20).idempotency_key for each in waiting]
    assert keys == ["k0", "k1", "k2", "k3"]


def test_state_on_the_way_is_no_outcome(client: BalanceClient, answer: Answer) -> None:
    job = client.wallets_debit(idempotency_key="k1", **DEBIT)
    answer({"pid": 1}, "STARTED", job)
    with pytest.raises(OutcomeTimeout):
        job.get(timeout_s=0.2)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(job.get, 20)
        answer(document(), "SUCCESS", job)
        assert waiting.result(timeout=20).applied


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"producer": "shop"}, "it is of shop key=k1"),
        ({"idempotency_key": "k2"}, "it is of billing key=k2"),
        ({"job_id": "x"}, "badly formed"),
        ({"entry": 5}, "no answer to this job"),
        (None, "no answer to this job"),
    ],
)
def test_an_answer_to_another_job_is_none(
    client: BalanceClient, answer: Answer, broker_url: str, changes: dict[str, Any] | None, told: str
) -> None:
    """Whoever reaches the result backend can write under any id. Its own answer is taken when it comes."""
    job = client.wallets_debit(idempotency_key="k1", **DEBIT)
    answer(None if changes is None else document(**changes), "SUCCESS", job)
    with pytest.raises(OutcomeTimeout, match=told):
        job.get(timeout_s=0.3)
    if broker_url.startswith("redis"):
        with redis.Redis.from_url(broker_url) as server:  # Celery's backend, unlike ours, overwrites no success
            server.delete(f"celery-task-meta-{job.task_id}")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(job.get, 20)
        answer(document(), "SUCCESS", job)
        assert waiting.result(timeout=20).idempotency_key == "k1"


@pytest.mark.parametrize("text", ["", "{", "5", "[]", "{}", '{"status": "SUCCESS"}', "[" * 100_000])
def test_what_is_no_result_is_no_answer(redis_url: str, unique_queue: str, text: str) -> None:
    with BalanceClient(redis_url, queue=unique_queue) as client, redis.Redis.from_url(redis_url) as server:
        job = client.wallets_debit(idempotency_key="k1", **DEBIT)
        server.set(f"celery-task-meta-{job.task_id}", text)
        with pytest.raises(OutcomeTimeout, match="no answer to this job"):
            job.get(timeout_s=0)


def test_refusal_is_an_outcome(client: BalanceClient, answer: Answer) -> None:
    job = client.wallets_debit(idempotency_key="k1", **DEBIT)
    error = {"status": 409, "body": {"success": False}}
    refused = document(status="rejected", code="insufficient_funds", entry=None, response=None, error=error)
    answer(refused, "SUCCESS", job)
    outcome = job.get(timeout_s=10)
    assert not outcome.applied
    assert outcome.error is not None
    assert (outcome.error.status, outcome.error.body) == (409, {"success": False})


def test_dead_letter_is_told(client: BalanceClient, answer: Answer) -> None:
    job = client.wallets_debit(idempotency_key="k1", **DEBIT)
    answer(RuntimeError("failed: boom (dead letter 7; nothing was applied)"), "FAILURE", job)
    with pytest.raises(JobParked, match=r"wallets\.debit key=k1 was not applied: failed: boom") as caught:
        job.get(timeout_s=10)
    assert caught.value.reason == "failed: boom (dead letter 7; nothing was applied)"


def test_outcome_that_nobody_wants_is_not_asked_for(client: BalanceClient, broker_url: str, unique_queue: str) -> None:
    job = client.wallets_debit(idempotency_key="k1", want_result=False, **DEBIT)
    with pytest.raises(RuntimeError, match="published with want_result=False"):
        job.get(timeout_s=1)
    [message] = taken(broker_url, unique_queue)
    properties: dict[str, Any] = dict(message.properties)
    headers: dict[str, Any] = dict(message.headers)
    assert (headers["ignore_result"], properties["reply_to"]) == (True, "")


def test_publishing_does_not_need_the_result_backend(broker_url: str, unique_queue: str) -> None:
    with BalanceClient(broker_url, queue=unique_queue, result_url=CLOSED_PORT) as client:
        job = client.wallets_debit(idempotency_key="k1", **DEBIT)
        with pytest.raises(OutcomeTimeout, match=r"within 0\.3 s \(ConnectionError: "):
            job.get(timeout_s=0.3)
    assert [message.headers["id"] for message in taken(broker_url, unique_queue)] == [job.task_id]


def test_closed_client_gives_no_outcome(broker_url: str, unique_queue: str) -> None:
    with BalanceClient(broker_url, queue=unique_queue) as client:
        job = client.wallets_debit(idempotency_key="k1", **DEBIT)
    with pytest.raises(RuntimeError, match="the client is closed"):
        job.get(timeout_s=1)


def test_announcement_ends_the_wait(redis_url: str, unique_queue: str) -> None:
    with BalanceClient(redis_url, "billing", queue=unique_queue) as client, redis.Redis.from_url(redis_url) as server:
        job = client.wallets_debit(idempotency_key="k1", **DEBIT)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(job.get, 20)
            wait_until(lambda: server.pubsub_numsub(f"celery-task-meta-{job.task_id}")[0][1] == 1)
            meta = {"status": "SUCCESS", "result": document(response=None), "task_id": job.task_id}
            server.set(f"celery-task-meta-{job.task_id}", json.dumps(meta))
            server.publish(f"celery-task-meta-{job.task_id}", json.dumps(meta))
            assert waiting.result(timeout=20).applied


def test_reply_queue_is_removed_with_the_client(rabbitmq_url: str, unique_queue: str) -> None:
    with BalanceClient(rabbitmq_url, queue=unique_queue) as client:
        client.wallets_debit(idempotency_key="k1", **DEBIT)
        [message] = taken(rabbitmq_url, unique_queue)
        declare(rabbitmq_url, str(message.properties["reply_to"]))
    with pytest.raises(NotFound):
        declare(rabbitmq_url, str(message.properties["reply_to"]))


def declare(url: str, queue: str) -> None:
    with Connection(url) as connection:
        channel: Any = connection.channel()
        channel.queue_declare(queue, passive=True)


def wait_until(condition: Callable[[], bool], timeout_s: float = 10) -> None:
    deadline, tick = monotonic() + timeout_s, Event()
    while not condition():
        assert monotonic() < deadline, "the condition never came true"
        tick.wait(0.01)
