"""Remote control in whatever shape a stranger sends it: the worker answers the next command, on the same connection."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

import redis
from kombu import Connection

from tests.acceptance.system import System, wait_until

_REPLY: Final = {"exchange": "reply.celery.pidbox", "routing_key": "nobody"}

# What `celery control` might send if it were somebody else. The first is no JSON.
BODIES: Final[list[Any]] = [
    b"{", b"\xff\xfe", b"[" * 5_000 + b"]" * 5_000, 5, None, [], [[], {}, {}], "ping", {},
    {"method": 5}, {"method": "no such"}, {"method": {"a": 1}}, {"method": ["ping"]},
    {"method": "ping", "arguments": 5}, {"method": "ping", "arguments": {"a": 1}}, {"method": "ping", "more": 1},
    {"method": "ping", "destination": 5}, {"method": "ping", "destination": {"a": 1}},
    {"method": "ping", "pattern": "(", "matcher": "regex"}, {"method": "ping", "pattern": "(", "matcher": "pcre"},
    {"method": "ping", "pattern": 5, "matcher": 5},
    {"method": "ping", "reply_to": 5}, {"method": "ping", "reply_to": {}},
    {"method": "ping", "reply_to": {"exchange": 5, "routing_key": []}, "ticket": 5},
    {"method": "ping", "reply_to": {"exchange": "no.such.exchange", "routing_key": "x"}, "ticket": "t"},
    {"method": "ping", "reply_to": _REPLY, "ticket": {"a": 1}},
    {"method": "revoke", "arguments": {"task_id": {"a": 1}}},
    {"method": "revoke", "arguments": {"task_id": [[1]], "terminate": True, "signal": 5}},
    {"method": "revoke_by_stamped_headers", "arguments": {"headers": 5}},
    {"method": "rate_limit", "arguments": {"task_name": 5, "rate_limit": {}}},
    {"method": "election", "arguments": {"id": 1, "topic": "task", "action": 5}},
    {"method": "query_task", "arguments": {"ids": 5}}, {"method": "conf", "arguments": {"with_defaults": 5}},
    {"method": "add_consumer", "arguments": {"queue": {"a": 1}}},
    {"method": "cancel_consumer", "arguments": {"queue": [1]}},
    {"method": "hello", "arguments": {"from_node": 5, "revoked": 5}},
    {"method": "hello", "arguments": {"from_node": "z", "revoked": {"a": "b"}}},
    {"method": "balance_report", "arguments": {"x": 1}}, {"method": "pool_restart"}, {"method": "memdump"},
]  # fmt: skip
HEADERS: Final[list[dict[str, Any]]] = [
    {"clock": "x"}, {"clock": {"a": 1}}, {"clock": 2**62}, {"clock": -5}, {"expires": "z"}, {"expires": {"a": 1}},
    {"compression": "zlib"}, {"compression": 5},
]  # fmt: skip
_PING: Final = {"method": "ping", "arguments": {}}
# On Redis a broadcast is any text: what is no message of kombu's, or only looks like one.
RAW: Final = (
    "x", "5", "null", "[]", "{}", '"ping"', '{"body":5}', '{"properties":{}}', '{"properties":5,"body":""}',
    '{"properties":{"delivery_info":5},"body":""}', "[" * 100_000,
)  # fmt: skip


def _text(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def _envelope(body: Any, headers: dict[str, Any]) -> str:
    """A message as kombu publishes it to all on Redis."""
    return json.dumps(
        {
            "body": base64.b64encode(_text(body)).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": headers,
            "properties": {
                "body_encoding": "base64",
                "delivery_info": {"exchange": "celery.pidbox", "routing_key": ""},
                "delivery_tag": "t",
                "priority": 0,
            },
        }
    )


def test_no_command_ends_a_worker_or_silences_it(either_system: System) -> None:
    system, node = either_system, f"money@{either_system.queue}"
    worker = system.money_worker()

    def answers(after: Any) -> None:
        for _ in range(2):  # a reply may be late on a busy machine; a box that was closed is silent for longer
            if system.client.control.ping(destination=[node], timeout=5):
                return
        raise AssertionError(f"silent after {after!r:.200}")

    if system.broker_url.startswith("redis"):
        with redis.Redis.from_url(system.broker_url) as server:
            channel = f"/{server.connection_pool.connection_kwargs.get('db', 0)}.celery.pidbox"
            sent = [_envelope(body, {}) for body in BODIES] + [_envelope(_PING, headers) for headers in HEADERS]
            for raw in (*sent, _envelope(_PING, 5), _envelope(_PING, {"clock": 10**30}), *RAW):  # type: ignore[arg-type]
                server.publish(channel, raw)
                answers(raw)
    else:
        with Connection(system.broker_url) as connection:
            producer: Any = connection.Producer()
            for body, headers in [*[(body, {}) for body in BODIES], *[(_PING, headers) for headers in HEADERS]]:
                producer.publish(
                    _text(body), exchange="celery.pidbox", routing_key="", headers=headers,
                    content_type="application/json", content_encoding="utf-8",
                )  # fmt: skip
                answers((body, headers))
            for kind in ("application/x-python-serialize", "x/y"):
                producer.publish(b"x", exchange="celery.pidbox", routing_key="", content_type=kind)
                answers(kind)
    assert worker.poll() is None
    assert system.log("money").count("broker.connected") == 1
    assert system.ask("users.upsert", idempotency_key="u", user_id=1)["code"] == "applied"
    assert system.count("dead_letters") == 0, "what is no command is nothing to be kept"


def test_no_event_ends_a_worker(any_system: System) -> None:
    """Workers do not listen to events; what is broadcast to those that do passes them by."""
    system, node = any_system, f"money@{any_system.queue}"
    worker = system.money_worker()
    elected = {"type": "worker-elect", "hostname": "x", "clock": "y", "utcoffset": {}, "pid": [], "timestamp": "z"}
    with Connection(system.broker_url) as connection:
        producer: Any = connection.Producer()
        for event in (5, [], {}, {"type": 5}, elected, [elected], {**elected, "type": "worker-heartbeat"}):
            body = json.dumps(event).encode()
            for key in ("worker.elect", "worker.heartbeat", "task.multi"):
                producer.publish(
                    body, exchange="celeryev", routing_key=key, content_type="application/json", declare=[],
                    content_encoding="utf-8",
                )  # fmt: skip
    assert wait_until("an answer", lambda: system.client.control.ping(destination=[node], timeout=1))
    assert worker.poll() is None
    assert system.ask("users.upsert", idempotency_key="u", user_id=1)["code"] == "applied"


def test_with_producers_named_questions_are_answered_and_nothing_is_obeyed(any_system: System) -> None:
    system, node = any_system, f"money@{any_system.queue}"
    named = json.dumps({"billing": {"secrets": ["s" * 32], "jobs": ["*"]}})
    worker = system.money_worker(BALANCE_PRODUCERS=named)
    trusting = system.money_worker("trusting", BALANCE_PRODUCERS=named, BALANCE_REMOTE_COMMANDS="on")
    control = system.client.control
    for command, arguments in (
        ("shutdown", {}),
        ("cancel_consumer", {"queue": system.queue}),
        ("add_consumer", {"queue": system.queue}),
        ("revoke", {"task_id": "victims"}),
        ("disable_events", {}),
    ):
        answer: Any = control.broadcast(command, arguments, destination=[node], reply=True, timeout=20, limit=1)
        assert "not obeyed: remote control is not signed" in answer[0][node]["error"], command
    queues: Any = control.inspect([node], timeout=5).active_queues()
    assert [each["name"] for each in queues[node]] == [system.queue]
    assert worker.poll() is None
    control.broadcast("shutdown", destination=[f"trusting@{system.queue}"])
    wait_until("it to stop", lambda: trusting.poll() is not None)
