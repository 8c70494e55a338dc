"""The worker from outside: real processes, real brokers, messages from a plain Celery client."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
import redis
from sqlalchemy import text

from tests.acceptance.system import System, wait_until

TOP_UP: dict[str, Any] = {"wallet_id": "w", "credits_to_add": "1.5", "transaction_reason": "INVOICE_PAYMENT"}

_PUBLISH_MANY = """
import sys
from celery import Celery
from kombu import Exchange, Queue
from balance_client.routing import queue_arguments
url, queue = sys.argv[1:]
app = Celery(broker=url)
app.conf.task_queues = [Queue(queue, Exchange(""), routing_key=queue, queue_arguments=queue_arguments(url))]
kwargs = dict(idempotency_key="one", wallet_id="w", credits_to_add="1.5", transaction_reason="INVOICE_PAYMENT")
for _ in range(25):
    app.send_task("wallets.top_up", kwargs=kwargs, queue=queue, ignore_result=True)
"""


def test_one_message_sent_100_times_from_4_processes_is_applied_once(any_system: System) -> None:
    any_system.money_worker("money-1")
    any_system.money_worker("money-2")
    any_system.ask("wallets.create", idempotency_key="open", wallet_id="w")
    publishers = [
        subprocess.Popen([sys.executable, "-c", _PUBLISH_MANY, any_system.broker_url, any_system.queue])
        for _ in range(4)
    ]
    assert [publisher.wait(60) for publisher in publishers] == [0, 0, 0, 0]
    last = any_system.ask("wallets.top_up", idempotency_key="one", **TOP_UP)

    workers = ("money-1", "money-2")
    wait_until("all 100 messages to be settled", lambda: _settled(any_system, workers, "jobs") == 1 + 100 + 1)
    assert last["replayed"] is True
    assert any_system.count("entries") == 1
    assert any_system.count("jobs", "idempotency_key = 'one'") == 1
    assert _settled(any_system, workers, "replayed") == 100  # 99 of the hundred, and the one that asked
    assert any_system.rows("select balance from accounts")[0][0] == 1_500_000_000


def _settled(system: System, workers: tuple[str, ...], what: str) -> int:
    """The sum of one count over the lines in which the workers say what they settled."""
    lines = [line for worker in workers for line in system.log(worker).splitlines() if "jobs.settled" in line]
    return sum(int(match[1]) for line in lines if (match := re.search(rf" {what}=(\d+)", line)))


def test_numbers_reach_the_ledger_without_having_been_floats(any_system: System) -> None:
    any_system.money_worker()
    any_system.ask("wallets.create", idempotency_key="open", wallet_id="w", scale=18)
    body = '[[], {"idempotency_key":"k","wallet_id":"w","transaction_reason":"INVOICE_PAYMENT",' + (
        '"credits_to_add":0.123456789012345678}, {}]'
    )
    with any_system.client.producer_pool.acquire() as producer:
        producer.publish(
            body,
            exchange="",
            routing_key=any_system.queue,
            content_type="application/json",
            content_encoding="utf-8",
            headers={"task": "wallets.top_up", "id": "raw-1", "lang": "sh"},
            correlation_id="raw-1",
        )
    wait_until("the job", lambda: any_system.count("entries") == 1)
    assert any_system.rows("select amount from entries")[0][0] == 123_456_789_012_345_678


def test_a_message_without_a_key_is_parked_and_whoever_waits_is_told(any_system: System) -> None:
    any_system.money_worker()
    with pytest.raises(Exception, match=r"unusable_key.*nothing was applied"):
        any_system.ask("wallets.top_up", **TOP_UP)
    letter = any_system.rows("select reason, task, error, convert_from(body, 'utf8') from dead_letters")[0]
    assert letter[:2] == ("unusable_key", "wallets.top_up")
    assert "idempotency_key" in letter[2]
    assert '"credits_to_add": "1.5"' in letter[3]  # the body as it came


@pytest.mark.parametrize(
    ("option", "reason"), [({"countdown": 60}, "eta"), ({"expires": -1}, "expired")], ids=["countdown", "expired"]
)
def test_a_message_that_celery_would_hold_or_drop_is_parked(
    system: System, option: dict[str, Any], reason: str
) -> None:
    system.money_worker()
    arguments = {"idempotency_key": "k", **TOP_UP}
    system.client.send_task("wallets.top_up", kwargs=arguments, queue="balance", ignore_result=True, **option)
    wait_until("the letter", lambda: system.count("dead_letters"))
    assert system.rows("select reason from dead_letters")[0][0] == reason
    assert system.count("jobs") == 0


def test_a_revoked_job_is_parked_not_dropped(system: System) -> None:
    worker = system.money_worker()
    system.client.control.revoke("doomed", destination=[f"money@{system.queue}"])
    wait_until("the revocation", lambda: _is_revoked(system, "doomed"))
    arguments = {"idempotency_key": "k", **TOP_UP}
    system.client.send_task("wallets.top_up", kwargs=arguments, queue="balance", task_id="doomed", ignore_result=True)
    wait_until("the letter", lambda: system.count("dead_letters", "reason = 'revoked'"))
    assert worker.poll() is None


def _is_revoked(system: System, task_id: str) -> bool:
    replies = system.client.control.inspect(timeout=0.5, limit=1).revoked() or {}
    return any(task_id in ids for ids in replies.values())


def test_a_worker_told_to_stop_while_the_database_is_locked_gives_the_job_back(any_system: System) -> None:
    any_system.money_worker()
    any_system.ask("wallets.create", idempotency_key="open", wallet_id="w")
    stuck = any_system.money_worker("stuck", BALANCE_LOCK_TIMEOUT_MS="200")
    first = any_system._processes[0]
    first.terminate()
    assert first.wait(30) == 0
    with any_system.engine.connect() as holder:
        holder.execute(text("select 1 from accounts for update"))
        result = any_system.send("wallets.top_up", idempotency_key="k", **TOP_UP)
        wait_until("the job to wait", lambda: "jobs.waiting" in any_system.log("stuck"))
        stuck.terminate()
        assert stuck.wait(30) == 0, any_system.log("stuck")[-2000:]
        assert any_system.count("entries") == 0
    any_system.money_worker("next")
    assert result.get()["code"] == "applied"
    assert any_system.count("entries") == 1


JSON = "application/json"
TASK = "wallets.top_up"
KEYED = b'[[], {"idempotency_key": "k%d", "wallet_id": "w"}, {}]'
MALFORMED: list[tuple[dict[str, Any], bytes, str, str]] = [
    ({"task": "nobody.knows"}, b"[[], {}, {}]", JSON, "unknown_job"),
    ({}, KEYED % 1, JSON, "no_task"),
    ({"task": TASK, "id": None}, KEYED % 2, JSON, "no_id"),
    ({"task": TASK}, b"{}", JSON, "undecodable"),
    ({"task": TASK}, b"{not json", JSON, "undecodable"),
    ({"task": TASK}, b"\xff\xfe not text", JSON, "undecodable"),
    ({"task": TASK}, b"cos\nsystem", "application/x-python-serialize", "undecodable"),
    ({"task": TASK}, KEYED % 3, "text/x-unknown", "undecodable"),
    ({"task": TASK, "compression": "application/x-gzip"}, KEYED % 4, JSON, "undecodable"),
    ({"task": TASK, "timelimit": "soon"}, b'[[], {"wallet_id": 1}, {}]', JSON, "unusable_key"),
    ({"task": TASK, "eta": "soon"}, KEYED % 5, JSON, "eta"),
    ({"task": TASK, "expires": "soon"}, KEYED % 6, JSON, "expired"),
    ({"task": TASK, "expires": "2020-01-01T00:00:00+00:00"}, KEYED % 7, JSON, "expired"),
    ({"task": TASK}, b"[[1], {}, {}]", JSON, "positional_arguments"),
    ({"task": TASK, "strange": ["\x00", float("inf"), {"a": "\ud800"}]}, b"[", JSON, "undecodable"),
]


def test_no_kind_of_malformed_message_is_dropped_or_stops_the_worker(any_system: System) -> None:
    worker = any_system.money_worker()
    for number, (headers, body, content_type, _) in enumerate(MALFORMED):
        if not any_system.broker_url.startswith("redis") and "strange" in headers:
            continue  # AMQP carries no such text
        with any_system.client.producer_pool.acquire() as producer:
            producer.publish(
                body, exchange="", routing_key=any_system.queue, content_type=content_type,
                content_encoding="utf-8", headers={"id": str(number), "number": number, **headers},
            )  # fmt: skip
    answer = any_system.ask(TASK, idempotency_key="k", unheard_of=1)
    assert (answer["status"], answer["code"]) == ("rejected", "invalid_request"), "wrong arguments are answered"
    parked = any_system.rows("select cast(headers->>'number' as int), reason, body from dead_letters order by 1")
    sent = MALFORMED if any_system.broker_url.startswith("redis") else MALFORMED[:-1]
    assert [(number, reason, bytes(body)) for number, reason, body in parked] == [
        (number, reason, body) for number, (_, body, _, reason) in enumerate(sent)
    ]
    assert worker.poll() is None


def test_raw_bytes_pushed_into_the_redis_list_are_parked(system: System) -> None:
    worker = system.money_worker()
    garbage = [b"\xff\xfe not even text", b"{}", b'{"body": 1}', b"[" * 5_000]
    with redis.Redis.from_url(system.broker_url) as client:
        for raw in garbage:
            client.lpush("balance", raw)
    assert system.ask("wallets.create", idempotency_key="open", wallet_id="w")["code"] == "applied"
    wait_until("the letters", lambda: system.count("dead_letters") == len(garbage))
    letters = system.rows("select reason, queue, body from dead_letters")
    assert {(reason, queue) for reason, queue, _ in letters} == {("garbage", "balance")}
    assert {bytes(body) for _, _, body in letters} == set(garbage)
    assert worker.poll() is None
