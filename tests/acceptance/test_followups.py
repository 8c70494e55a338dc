"""What publishers asked to be sent on: it arrives, or is a dead letter; no job waits for it, none is held by it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from celery import Celery, chain, chord, group
from kombu import Connection, Exchange, Queue

from tests.acceptance.system import System, replies, wait_until
from tests.integration.cli.conftest import Cli
from worker.control.report import REPORT

_MANY = 210  # more than a worker holds


@pytest.fixture
def shop(any_system: System) -> Iterator[Queue]:
    """A queue of the publisher's own."""
    with Connection(any_system.broker_url) as connection:
        queue = Queue(f"{any_system.queue}.shop", Exchange(""), routing_key=f"{any_system.queue}.shop")
        bound = queue(connection.default_channel)
        bound.declare()
        yield queue
        bound.delete()


def _taken(system: System, queue: Queue, count: int) -> list[dict[str, Any]]:
    """So many messages of the queue: headers with the body's first argument."""
    found = list[dict[str, Any]]()
    with Connection(system.broker_url) as connection:
        waiting: Any = connection.SimpleQueue(queue)  # type: ignore[arg-type]  # its stubs know no Queue
        while len(found) < count:
            message = waiting.get(timeout=30)
            message.ack()
            found.append({"task": message.headers["task"], "first": json.loads(message.body or b"")[0][0]})
    return found


def _job(system: System, key: str, **arguments: Any) -> Any:
    arguments = {"idempotency_key": key, "user_id": 1, "amount_kopeks": 100, **arguments}
    return system.client.signature("users.update_balance", kwargs=arguments, queue=system.queue, immutable=True)


def _unacknowledged(system: System) -> int:
    if system.broker_url.startswith("redis"):
        with redis.Redis.from_url(system.broker_url) as client:
            return int(client.hlen("unacked"))
    with Connection(system.broker_url) as connection:
        channel: Any = connection.channel()
        return int(channel.queue_declare(system.queue, passive=True).message_count)


def test_callbacks_and_chains_arrive_in_queues_of_the_publishers(any_system: System, shop: Queue) -> None:
    any_system.money_worker()
    any_system.ask("users.upsert", idempotency_key="u", user_id=1)
    after = any_system.client.signature("shop.note", queue=shop.name)
    for number in range(_MANY):
        _job(any_system, f"k{number}").apply_async(link=after, ignore_result=True)
    arrived = _taken(any_system, shop, _MANY)
    assert {each["task"] for each in arrived} == {"shop.note"}
    assert {each["first"]["idempotency_key"] for each in arrived} == {f"k{number}" for number in range(_MANY)}
    assert {each["first"]["status"] for each in arrived} == {"applied"}

    canvas = chain(_job(any_system, "chained"), group(after, any_system.client.signature("shop.b", queue=shop.name)))
    canvas.apply_async()
    assert {each["task"] for each in _taken(any_system, shop, 2)} == {"shop.note", "shop.b"}
    wait_until("all to be acknowledged", lambda: _unacknowledged(any_system) == 0)
    assert any_system.count("entries") == _MANY + 1
    assert any_system.count("dead_letters") == 0
    worker = [f"money@{any_system.queue}"]
    (report,) = replies(any_system.client, REPORT, destination=worker) or [{}]
    assert [told["settled_unacknowledged"] for told in report.values()] == [0]


def test_a_follow_up_that_nobody_takes_is_a_dead_letter_of_its_own_and_can_be_replayed(
    any_system: System, shop: Queue
) -> None:
    any_system.money_worker()
    any_system.ask("users.upsert", idempotency_key="u", user_id=1)
    gone = f"{any_system.queue}.gone"
    if any_system.broker_url.startswith("redis"):  # where any list is a queue
        with redis.Redis.from_url(any_system.broker_url) as client:
            client.set(gone, "no list")
    after, lost = (any_system.client.signature("shop.note", queue=name) for name in (shop.name, gone))
    for number in range(_MANY):
        link = lost if number % 70 == 0 else after
        _job(any_system, f"k{number}").apply_async(link=link, ignore_result=True)
    assert any_system.ask("users.upsert", idempotency_key="after", user_id=2)["status"] == "applied"
    assert len(_taken(any_system, shop, _MANY - 3)) == _MANY - 3
    wait_until("all to be acknowledged", lambda: _unacknowledged(any_system) == 0)
    assert any_system.count("entries") == _MANY, "what was to follow is no reason not to apply"
    wait_until("the letters", lambda: any_system.count("dead_letters") == 3)
    letters = any_system.rows("select reason, task, queue, producer, attempts from dead_letters")
    assert letters == [("follow_up_failed", "shop.note", gone, None, 1)] * 3

    with Connection(any_system.broker_url) as connection:
        if any_system.broker_url.startswith("redis"):
            with redis.Redis.from_url(any_system.broker_url) as client:
                client.delete(gone)
        mended = Queue(gone, Exchange(""), routing_key=gone)
        mended(connection.default_channel).declare()
        names = ("database_url", "broker_url", "queue", "io_queue")
        cli = Cli({name: any_system.environment[f"BALANCE_{name.upper()}"] for name in names})
        assert cli.json("dead-letters", "replay", "--reason", "follow_up_failed", "--yes")["replayed"] == 3
        arrived = _taken(any_system, mended, 3)
        assert {each["first"]["idempotency_key"] for each in arrived} == {"k0", "k70", "k140"}
        mended(connection.default_channel).delete()


def test_an_errback_hears_of_what_was_parked(any_system: System, shop: Queue) -> None:
    any_system.money_worker()
    failing = any_system.client.signature("shop.failed", queue=shop.name)
    _job(any_system, "").apply_async(link_error=failing, task_id="unusable", ignore_result=True)
    assert _taken(any_system, shop, 1) == [{"task": "shop.failed", "first": "unusable"}]
    assert any_system.count("dead_letters") == 1


def test_what_cannot_be_carried_out_is_parked_before_anything_is_applied(any_system: System, shop: Queue) -> None:
    any_system.money_worker()
    any_system.ask("users.upsert", idempotency_key="u", user_id=1)
    # Celery makes no chord without a backend.
    client = Celery(broker=any_system.broker_url, backend="cache+memory://", set_as_current=False)
    client.conf.task_queues = any_system.client.conf.task_queues
    after = client.signature("shop.note", queue=shop.name)
    jobs = [_job(any_system, key).clone() for key in "abcd"]
    for job in jobs:
        job._app = client
    chord(jobs[:2], after, app=client).apply_async()
    chain(jobs[2], group(after, after), after, app=client).apply_async()
    jobs[3].apply_async(link=client.signature("shop.note"))
    wait_until("all to be parked", lambda: any_system.count("dead_letters") == 4)
    assert any_system.count("entries") == 0
    reasons = any_system.rows("select reason, count(*) from dead_letters group by 1 order by 1")
    assert reasons == [("bad_links", 1), ("chord", 3)]
