"""The worker has rights on the broker: it uses them for nobody who was not admitted, and for others as it was told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
import redis
from kombu import Connection, Exchange, Queue

from balance_client import BalanceClient
from models.contracts.wire.signature import SIGNATURE, Signed, sign
from tests.acceptance.system import System, wait_until

SECRET: Final = "s" * 32
_TASK: Final = "users.update_balance"


class Queues:
    """Queues that are nobody's of ours: what the worker sends there it sends for somebody."""

    def __init__(self, system: System, channel: Any) -> None:
        self._system, self._channel = system, channel
        self.names = {name: f"{system.queue}.{name}" for name in ("shop", "victim")}
        for name in self.names.values():
            self._bound(name).declare()

    def _bound(self, name: str) -> Any:
        return Queue(name, Exchange(""), routing_key=name)(self._channel)

    def tasks(self, name: str) -> list[str | None]:
        """Takes what is in a queue: the names of the tasks, None for what is none."""
        found = list[str | None]()
        while message := self._bound(self.names[name]).get(no_ack=True):
            found.append(message.headers.get("task"))
        return found

    def close(self) -> None:
        for name in self.names.values():
            self._bound(name).delete()


@pytest.fixture
def queues(any_system: System) -> Iterator[Queues]:
    with Connection(any_system.broker_url) as connection:
        made = Queues(any_system, connection.default_channel)
        yield made
        made.close()


def _named(queue: str, *allowed: dict[str, str]) -> str:
    return json.dumps({"billing": {"secrets": [SECRET], "jobs": ["*"], "follow_ups": [*allowed]}})


def _body(key: str, **embedded: Any) -> bytes:
    arguments = {"idempotency_key": key, "producer": "billing", "user_id": 1, "amount_kopeks": 1}
    return json.dumps([[], arguments, embedded]).encode()


def _send(system: System, body: bytes, task_id: str, *, task: str = _TASK, reply_to: str = "", **headers: Any) -> None:
    with system.client.connection_for_write() as connection:
        producer: Any = connection.Producer()
        producer.publish(
            body, exchange="", routing_key=system.queue, headers={"task": task, "id": task_id, "lang": "py", **headers},
            content_type="application/json", content_encoding="utf-8", correlation_id=task_id, reply_to=reply_to,
        )  # fmt: skip


def _result(system: System, task_id: str) -> Any:
    """What is kept under this id on Redis; RabbitMQ keeps nothing."""
    if not system.broker_url.startswith("redis"):
        return None
    with redis.Redis.from_url(system.broker_url) as client:
        text: Any = client.get(f"celery-task-meta-{task_id}")
        return text and json.loads(text)


def _letters(system: System, reason: str) -> int:
    return int(system.rows("select coalesce(sum(attempts), 0) from dead_letters where reason = :r", r=reason)[0][0])


def _to(queue: str, task: str = "evil.task", **options: Any) -> dict[str, Any]:
    return {"task": task, "args": [], "kwargs": {}, "options": {"queue": queue, **options}, "immutable": True}


@pytest.mark.parametrize("named", [True, False], ids=["producers named", "none named"])
def test_nothing_is_sent_for_what_stands_in_headers(any_system: System, queues: Queues, named: bool) -> None:
    system, victim = any_system, queues.names["victim"]
    system.money_worker(**({"BALANCE_PRODUCERS": _named(system.queue)} if named else {}))
    link = _to(victim)
    asked: dict[str, Any] = {
        "errbacks": [link], "callbacks": [link], "chain": [link], "chord": link, "group": "g", "stamps": {"a": 1},
        "stamped_headers": ["a"], "link_error": [link], "replaced_task_nesting": 1, "retries": 3, "timelimit": [1, 1],
    }  # fmt: skip
    late = {"eta": "2037-01-01T00:00:00+00:00"}  # parked, also of who is admitted
    for number, (name, value) in enumerate(asked.items()):
        _send(system, _body(f"k{number}"), f"h{number}", **{name: value}, **late)
    _send(system, _body("all"), "all", **asked, **late)
    for name in ("celery.group", "celery.chain", "celery.chord", "celery.starmap", "celery.chunks"):
        body = json.dumps([[], {"tasks": [link], "task": link, "it": [[]], "header": [link], "body": link}, {}])
        _send(system, body.encode(), name, task=name)
    wait_until("all to be parked", lambda: system.count("dead_letters") == len(asked) + 1 + 5)
    with BalanceClient(system.broker_url, "billing", queue=system.queue, secret=SECRET if named else None) as client:
        assert client.users_upsert(user_id=1, idempotency_key="u").get(60).applied
    assert queues.tasks("victim") == []
    told = {task_id: _result(system, task_id) for task_id in ("all", "h0", "celery.group")}
    assert (set(told.values()) == {None}) if named or not system.broker_url.startswith("redis") else all(told.values())


def test_who_was_not_admitted_gets_no_answer_anywhere(any_system: System, queues: Queues) -> None:
    """Nor does who sends a genuine message again under another id, or with another queue for the answer."""
    system, victim = any_system, queues.names["victim"]
    system.money_worker(BALANCE_PRODUCERS=_named(system.queue))
    with BalanceClient(system.broker_url, "billing", queue=system.queue, secret=SECRET) as client:
        assert client.users_upsert(user_id=1, idempotency_key="u").get(60).applied
        body = _body("k")
        genuine = {SIGNATURE: sign(SECRET, Signed(_TASK, body, task_id="mine"))}
        _send(system, body, "mine", **genuine)
        _send(system, body, "victims", **genuine)
        _send(system, body, "mine", reply_to=victim, **genuine)
        _send(system, body, "mine", expires="2037-01-01T00:00:00+00:00", **genuine)
        _send(system, body, "unsigned", reply_to=victim)
        _send(system, b"{", "undecodable", reply_to=victim)
        _send(system, _body("e", errbacks=[_to(victim)], callbacks=[_to(victim)]), "errbacks", reply_to=victim)
        wait_until("the unsigned", lambda: system.count("dead_letters", "reason = 'unsigned'") == 2)
        wait_until("the altered", lambda: _letters(system, "bad_signature") == 3)
        assert client.users_upsert(user_id=2, idempotency_key="v").get(60).applied
    assert queues.tasks("victim") == []
    assert [_result(system, name) for name in ("victims", "unsigned", "undecodable", "errbacks")] == [None] * 4
    if system.broker_url.startswith("redis"):
        assert _result(system, "mine")["result"]["idempotency_key"] == "k"
    assert system.count("entries") == 1


def test_a_signature_of_the_first_scheme_moves_money_and_is_not_answered(any_system: System, queues: Queues) -> None:
    system, victim = any_system, queues.names["victim"]
    system.money_worker(BALANCE_PRODUCERS=_named(system.queue))
    import hashlib
    import hmac

    with BalanceClient(system.broker_url, "billing", queue=system.queue, secret=SECRET) as client:
        client.users_upsert(user_id=1, idempotency_key="u").get(60)
        body = _body("k")
        digits = hmac.new(SECRET.encode(), f"balance\n1\n{_TASK}\n\n".encode() + body, hashlib.sha256).hexdigest()
        _send(system, body, "old", reply_to=victim, **{SIGNATURE: digits})
        wait_until("it to be applied", lambda: system.count("entries") == 1)
        client.users_upsert(user_id=2, idempotency_key="v").get(60)
    assert queues.tasks("victim") == []
    assert _result(system, "old") is None


def test_callbacks_go_where_their_producer_may_send(any_system: System, queues: Queues) -> None:
    system, shop, victim = any_system, queues.names["shop"], queues.names["victim"]
    system.money_worker(BALANCE_PRODUCERS=_named(system.queue, {"task": "shop.*", "queue": shop}))
    with BalanceClient(system.broker_url, "billing", queue=system.queue, secret=SECRET) as client:
        client.users_upsert(user_id=1, idempotency_key="u").get(60)
    asked = [_to(shop, "shop.note"), _to(shop, "evil.task"), _to(victim, "shop.note")]
    body = _body("k", callbacks=asked)
    _send(system, body, "k", **{SIGNATURE: sign(SECRET, Signed(_TASK, body, task_id="k"))})
    wait_until("the letters", lambda: _letters(system, "follow_up_not_allowed") == 2)
    assert queues.tasks("shop") == ["shop.note"]
    assert queues.tasks("victim") == []
    assert system.count("entries") == 1
    assert {(row.task, row.queue) for row in system.rows("select task, queue from dead_letters")} == {
        ("evil.task", shop),
        ("shop.note", victim),
    }


def test_no_answer_is_sent_into_a_queue_of_ours(system_on_rabbitmq: System) -> None:
    system = system_on_rabbitmq
    system.money_worker()
    for number, queue in enumerate((system.queue, f"{system.queue}.io", f"money@{system.queue}.celery.pidbox")):
        body = json.dumps([[], {"idempotency_key": f"k{number}", "user_id": number}, {}]).encode()
        _send(system, body, f"k{number}", task="users.upsert", reply_to=queue)
    assert system.ask("users.upsert", idempotency_key="u", user_id=9)["code"] == "applied"
    assert system.ask("users.upsert", idempotency_key="v", user_id=8)["code"] == "applied"
    assert system.count("jobs") == 5
    assert system.count("dead_letters") == 0
    assert "pidbox" not in system.log("money")
