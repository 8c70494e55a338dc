"""Answers of a batch: whatever one message has for an id or an address, its neighbours are answered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import Mock
from uuid import UUID

import pytest
import redis
from celery import Celery, Task
from celery.worker.request import Request
from kombu import Connection, Exchange, Queue
from kombu.message import Message

from models.batch.outcome import Answer, Parked, StoredOutcome
from models.domain.outcome import Code, Status
from tests.support.servers.proxy import Proxy
from tests.support.servers.queues import taken
from worker.consuming import result_writer as answers
from worker.consuming.result_writer import ResultWriter
from worker.encoding.serialization import EXACT_JSON, register_exact_json

_DONE = StoredOutcome(UUID(int=1), Status.APPLIED, Code.APPLIED, '{"status": "applied", "replayed": false}')
_LOST = "\ud800"
_LONG = "x" * 256

# By name: what differs from the neighbours' headers and properties, and what the answer is.
STRANGE: dict[str, tuple[dict[str, Any], dict[str, Any], Answer]] = {
    "an id that is a number": ({"id": 5}, {}, _DONE),
    "an id that is an object": ({"id": {"a": 1}}, {}, _DONE),
    "no id": ({"id": None}, {}, _DONE),
    "an empty id": ({"id": ""}, {}, _DONE),
    "an id without an end": ({"id": "x" * 10_000_000}, {}, _DONE),
    "an id with a lone surrogate": ({"id": _LOST}, {}, _DONE),
    "an id with NUL": ({"id": "a\0b"}, {}, _DONE),
    "an address that is a number": ({}, {"reply_to": 5}, _DONE),
    "an address that is an object": ({}, {"reply_to": {"a": 1}}, _DONE),
    "an address longer than AMQP's": ({}, {"reply_to": _LONG}, _DONE),
    "an address with a lone surrogate": ({}, {"reply_to": _LOST}, _DONE),
    "no address": ({}, {"reply_to": None}, _DONE),
    "a queue that is not there": ({}, {"reply_to": "nobody"}, _DONE),
    "a correlation that is an object": ({}, {"correlation_id": {"a": 1}}, _DONE),
    "a correlation longer than AMQP's": ({}, {"correlation_id": _LONG}, _DONE),
    "a correlation with a lone surrogate": ({}, {"correlation_id": _LOST}, _DONE),
    "a chord that is none": ({"chord": 5}, {}, _DONE),
    "a chain that is none": ({"chain": [5]}, {}, Parked("no")),
    "errbacks that are none": ({"errbacks": [5]}, {}, Parked("no")),
    "children that are none": ({"children": 5}, {}, _DONE),
    "headers that are methods": ({"get": 5, "update": 5, "_get_custom_headers": 5}, {}, _DONE),
    "an error with a lone surrogate": ({}, {}, Parked(f"undecodable: {_LOST}\0")),
    "ignore_result that is an object": ({"ignore_result": {}}, {}, _DONE),
}


EACH = {"before": "SUCCESS", "after": "SUCCESS", "parked": "FAILURE"}


def test_on_redis_the_neighbours_of_a_strange_message_are_answered(redis_url: str) -> None:
    app = _app(backend=redis_url)
    told: dict[str, dict[str, str]] = {}
    with redis.Redis.from_url(redis_url) as server:
        for strange in STRANGE:
            _store(app, "nobody", strange)
            found = {name: server.getdel(f"celery-task-meta-{name}") for name in EACH}
            told[strange] = {name: json.loads(str(meta, "utf-8"))["status"] for name, meta in found.items() if meta}
    assert told == dict.fromkeys(STRANGE, EACH)


def test_on_rabbitmq_too(rabbitmq_url: str, unique_queue: str) -> None:
    app = _app(broker=rabbitmq_url, backend="rpc://")
    told: dict[str, dict[str, str]] = {}
    with Connection(rabbitmq_url) as connection:
        Queue(unique_queue, Exchange(""), routing_key=unique_queue)(connection.default_channel).declare()
    for strange in STRANGE:
        _store(app, unique_queue, strange)
        found = {
            each.properties["correlation_id"]: json.loads(str(each.body)) for each in taken(rabbitmq_url, unique_queue)
        }
        told[strange] = {name: found[name]["status"] for name in EACH if name in found}
    assert told == dict.fromkeys(STRANGE, EACH)


def _app(**places: Any) -> Celery:
    register_exact_json()
    app = Celery(set_as_current=False, **places)
    app.conf.update(result_serializer=EXACT_JSON, result_accept_content=["json"], task_ignore_result=False)
    return app


def _store(app: Celery, reply_to: str, strange: str) -> None:
    """One batch with the strange message among others."""
    task = app.register_task(type("Any", (Task,), {"name": "any", "run": print})())

    def request(headers: dict[str, Any], properties: dict[str, Any]) -> Request:
        headers = {"task": "any", "ignore_result": False, **headers}
        properties = {"reply_to": reply_to, "correlation_id": headers["id"], **properties}
        message = Message(body="[[], {}, {}]", headers=headers, properties=properties, content_type="application/json")
        return Request(message, app=app, headers=headers, task=task, body=[[], {}, {}], decoded=True)

    headers, properties, answer = STRANGE[strange]
    ResultWriter(app, timer=None).store([
        (request({"id": "before"}, {}), _DONE),
        (request({"id": "strange", **headers}, properties), answer),
        (request({"id": "after"}, {}), _DONE),
        (request({"id": "parked"}, {}), Parked("no")),
    ])  # fmt: skip


class _Timer:
    """Remembers what is to be called, for the test to call it."""

    def __init__(self) -> None:
        self.wanted: list[Callable[[], None]] = []

    def call_after(self, _seconds: float, wanted: Callable[[], None]) -> Any:
        self.wanted.append(wanted)
        return Mock(spec=["cancel"])


@pytest.fixture
def away(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Proxy, ResultWriter, _Timer, Any]]:
    """A result backend that refuses connections, results on their way to it, and its server."""
    clock = [1_000.0]
    monkeypatch.setattr(answers, "monotonic", lambda: clock[0])
    with Proxy(redis_url) as proxy, redis.Redis.from_url(redis_url) as server:
        timer = _Timer()
        results = ResultWriter(_app(backend=proxy.url), timer)
        results._breaker.clock = lambda: clock[0]
        proxy.refuse()
        yield proxy, results, timer, (server, clock)


def _asked(app: Celery, task_id: str) -> Request:
    task = app.register_task(type("Any", (Task,), {"name": "any", "run": print})())
    headers: Any = {"task": "any", "id": task_id, "ignore_result": False}
    message = Message(body="[[], {}, {}]", headers=headers, properties={}, content_type="application/json")
    return Request(message, app=app, headers=headers, task=task, body=[[], {}, {}], decoded=True)


def test_what_was_not_stored_is_kept_for_a_minute_and_no_more_than_there_is_room_for(
    away: tuple[Proxy, ResultWriter, _Timer, Any],
) -> None:
    proxy, results, timer, (server, clock) = away
    app = results._app

    def store(*names: str) -> None:
        results.store([(_asked(app, name), _DONE) for name in names])

    def there(*names: str) -> list[str]:
        return [name for name in names if server.getdel(f"celery-task-meta-{name}")]

    store("early")
    clock[0] += 40
    store(*(f"n{number}" for number in range(answers._KEPT_MAX + 5)))
    assert len(timer.wanted) == 1, "it is tried again by itself, once"
    clock[0] += 40
    proxy.heal()
    timer.wanted[0]()
    assert there("early", "n0", "n4", "n5", f"n{answers._KEPT_MAX + 4}") == ["n5", f"n{answers._KEPT_MAX + 4}"]

    proxy.refuse()
    store("late")
    clock[0] += 61
    timer.wanted[-1]()
    proxy.heal()
    results.close()
    assert there("late") == []
