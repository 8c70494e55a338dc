"""Any message, through a real broker to a worker that runs: answered or parked, once, and the worker lives on."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import redis
from amqp import AMQPError
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from kombu import Connection

from tests.acceptance.system import System, wait_until
from tests.property.wire import JSON_VALUES, damaged, messages
from tests.support.builders import reset
from tests.support.search import DRAWN

_ENVELOPE = ("body", "content-type", "content-encoding", "headers", "properties")


@st.composite
def _wire(draw: st.DrawFn) -> bytes:
    """What lies in a Redis list: kombu's envelope around a message, with something wrong in one or the other."""
    parts = draw(messages())
    body = parts["body"].encode("utf-8", "surrogatepass") if isinstance(parts["body"], str) else parts["body"]
    envelope = {
        "body": base64.b64encode(body).decode(),
        "content-encoding": parts["content_encoding"],
        "content-type": parts["content_type"],
        "headers": parts["headers"],
        "properties": {
            **parts["properties"], "body_encoding": "base64", "delivery_mode": 2, "priority": 0,
            "delivery_info": parts["delivery_info"], "delivery_tag": str(uuid4()),
        },
    }  # fmt: skip
    match draw(st.sampled_from(["as it is", "as it is", "another value", "less", "damaged"])):
        case "another value":
            envelope[draw(st.sampled_from(_ENVELOPE))] = draw(JSON_VALUES)
        case "less":
            del envelope[draw(st.sampled_from(_ENVELOPE))]
        case "damaged":
            return draw(damaged(json.dumps(envelope, default=str).encode()))
    return json.dumps(envelope, default=str).encode()


def _every_one_ends(system: System, message: st.SearchStrategy[Any], publish: Callable[[Any], None]) -> None:
    worker = system.money_worker()

    def ended() -> int:
        [(count,)] = system.rows(
            "select (select count(*) from jobs) + (select coalesce(sum(attempts), 0) from dead_letters)"
        )
        return int(count)

    @settings(
        max_examples=DRAWN.examples(90, weight=5),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(message)
    def each(drawn: Any) -> None:
        reset(system.engine)
        publish(drawn)
        wait_until(f"{drawn!r} to end as a job or as a dead letter", ended)
        assert ended() == 1
        assert worker.poll() is None, system.log("money")[-2000:]

    each()
    reset(system.engine)
    assert system.ask("users.upsert", idempotency_key="after all that", user_id=1)["code"] == "applied"
    assert ended() == 1  # nothing of what came before was still on its way


def test_whatever_lies_in_a_redis_list_ends_as_a_job_or_as_a_dead_letter(system: System) -> None:
    with redis.Redis.from_url(system.broker_url) as server:
        _every_one_ends(system, _wire(), lambda raw: server.lpush(system.queue, raw))
        wait_until("all to be acknowledged", lambda: not server.llen(system.queue) and not server.hlen("unacked"))


def test_whatever_rabbitmq_carries_ends_as_a_job_or_as_a_dead_letter(system_on_rabbitmq: System) -> None:
    system = system_on_rabbitmq

    def publish(parts: dict[str, Any]) -> None:
        """What the client library can't write on the wire is no message."""
        properties = parts["properties"]
        with Connection(system.broker_url) as connection:
            channel: Any = connection.channel()
            try:
                connection.Producer(channel).publish(
                    parts["body"], exchange="", routing_key=system.queue, headers=parts["headers"],
                    content_type=parts["content_type"], content_encoding=parts["content_encoding"], **properties,
                )  # fmt: skip
                channel.queue_declare(system.queue, passive=True)  # answered once what came before was taken
            except (AMQPError, ValueError, TypeError, AttributeError, struct.error):
                reject()

    _every_one_ends(system, messages(), publish)
