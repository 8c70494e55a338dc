"""The checks of events of a chaos run find what they are for: here all is well, and then one thing is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Engine, text

from models.contracts.replies.events import EventMessage
from models.contracts.wire.dead_letter import DeadLetter
from models.store.write.dead_letters import park
from tasks.events.delivering import Deliverer
from tasks.events.relay import Relay
from tasks.events.sender import WebhookRequest
from tests.chaos import report
from tests.chaos.endpoints import MAIN
from tests.chaos.events.checks import Received, findings, told_events
from tests.chaos.events.seen import Arrival, Seen
from tests.integration.events.doubles import Sender, Stream
from tests.integration.events.endpoints import add
from tests.support.builders import LIMITS, WEBHOOK_KEYS, applier, ask, execute, job, settle
from worker.outgoing.signature import signed

Read = Callable[..., list[Any]]
URL = f"http://receiver/{MAIN}"
LONG = 45 + 5  # seconds: nothing is under way for so long
[KEY] = WEBHOOK_KEYS.keys


class Kept(Stream):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Seen] = []

    def publish(self, events: Sequence[EventMessage]) -> None:
        self.seen += [Seen(event.id, event.body) for event in events]


@pytest.fixture
def read(engine: Engine) -> Read:
    def rows(query: str, **parameters: Any) -> list[Any]:
        with engine.connect() as connection:
            return list(connection.execute(text(query), parameters))

    return rows


def arrival(request: WebhookRequest, at: datetime) -> Arrival:
    said = signed(request.keys, request.event_id, at, request.body)
    path = urlsplit(request.url).path
    return Arrival(
        request.event_id, request.body, path, said["webhook-timestamp"], said["webhook-signature"], at, "taken"
    )


def deliver(engine: Engine, stream: Stream, at: datetime) -> list[Arrival]:
    """Until nothing waits."""
    sender, worker = Sender(), applier(engine, LIMITS)
    Relay(worker, stream, most=50).run()
    Deliverer(worker, sender, WEBHOOK_KEYS, lambda: 0.5).run()
    return [arrival(request, at) for request in sender.sent]


@pytest.fixture
def received(engine: Engine, read: Read) -> Received:
    """Corrections of two users, one that is refused, a letter, and a secret that is replaced: all of it came."""
    stream, endpoint = Kept(), add(engine, URL)
    [(since,)] = read("select clock_timestamp()")
    users = (1, 2)
    settle(engine, *(job("users.upsert", user_id=user) for user in users))
    for _ in range(3):
        settle(engine, *(job("users.update_balance", user_id=user, amount_kopeks=1) for user in users))
    settle(engine, job("users.update_balance", user_id=3, amount_kopeks=1))
    with engine.begin() as connection:
        park(connection, [DeadLetter("failed", "why", None, None, None, {}, b"{}")])
    first = deliver(engine, stream, datetime.now(UTC))
    ask(engine, "webhooks.rotate_secret", endpoint_id=endpoint)
    settle(engine, *(job("users.update_balance", user_id=user, amount_kopeks=1) for user in users))
    second = deliver(engine, stream, datetime.now(UTC))
    assert (len(first), len(second)) == (8, 2)
    assert len(second[0].signatures.split()) == 2
    return Received([*first, *second], stream.seen, since)


@pytest.fixture
def found(read: Read) -> Callable[[Received], list[str]]:
    """What is found, by the first words of each."""

    def kinds(received: Received) -> list[str]:
        return [line.partition(":")[0] for line in findings(read, told_events(read), received, KEY)]

    return kinds


Found = Callable[[Received], list[str]]


def test_nothing_is_found_where_all_is_well(read: Read, received: Received, found: Found) -> None:
    assert found(received) == []
    twice = replace(received, webhooks=[*received.webhooks, *received.webhooks], stream=[*received.stream] * 2)
    assert found(twice) == [], "duplicates are no fault"
    events = report.events(told_events(read), twice, {}, 0.0)
    assert (events.told, events.webhooks, events.webhooks_again, events.stream, events.stream_again) == (10,) * 5


def test_a_lost_event_is_found(received: Received, found: Found) -> None:
    assert found(replace(received, webhooks=received.webhooks[:-1])) == ["event lost by webhooks"]
    assert found(replace(received, stream=received.stream[1:])) == ["event lost by the stream"]


def test_an_event_that_came_and_was_never_taken_is_found(received: Received, found: Found) -> None:
    *others, last = received.webhooks
    failed = replace(last, answer="reset")
    assert found(replace(received, webhooks=[*others, failed])) == ["event lost by webhooks"]
    assert found(replace(received, webhooks=[*others, failed, last])) == []


def test_what_was_told_before_the_endpoint_was_there_need_not_come_to_it(received: Received, found: Found) -> None:
    late = replace(received, since=datetime.now(UTC), webhooks=received.webhooks[-1:])
    assert found(late) == []
    assert found(replace(late, stream=received.stream[1:])) == ["event lost by the stream"]


def test_a_wrong_order_is_found(received: Received, found: Found) -> None:
    *others, last = received.webhooks
    assert found(replace(received, webhooks=[last, *others])) == ["order"] * 3, "the fourth of an account was the first"
    *stream, latest = received.stream
    assert found(replace(received, stream=[latest, *stream])) == ["order"] * 3
    assert found(replace(received, stream=[*stream, latest, *stream])) == [], "what comes again is in no order"


def changed(of: Any, name: str | None = None, **fields: Any) -> Any:
    body = json.dumps({**of.event, **fields, **({} if name is None else {"id": name})}).encode()
    return replace(of, name=name or of.name, body=body)


def test_another_id_for_a_duplicate_is_found(received: Received, found: Found) -> None:
    other = changed(received.stream[-1], "another")
    assert found(replace(received, stream=[*received.stream, other])) == ["id"]
    beside = replace(received.stream[-1], name="another")
    assert "id" in found(replace(received, stream=[*received.stream, beside]))


def test_an_event_that_changes_between_deliveries_is_found(received: Received, found: Found) -> None:
    other = changed(received.stream[-1], version=2)
    assert found(replace(received, stream=[*received.stream, other])) == ["id"]


def test_an_event_that_nobody_told_is_found(received: Received, found: Found) -> None:
    other = changed(received.stream[-1], "another", job_id="nobody's")
    assert found(replace(received, stream=[*received.stream, other])) == ["event"]
    number = next(place for place, each in enumerate(received.stream) if each.event["seq"] == 1)
    wrong = [*received.stream]
    wrong[number] = changed(wrong[number], seq=2)
    assert "event" in found(replace(received, stream=wrong))


@pytest.mark.parametrize(
    "wrong",
    [
        {"signatures": ""},
        {"signatures": "v1,AAAA"},
        {"timestamp": "1"},
        {"timestamp": "soon"},
        {"path": "/somewhere-else"},
    ],
    ids=str,
)
def test_a_wrong_signature_is_found(received: Received, found: Found, wrong: dict[str, Any]) -> None:
    [*others, last] = received.webhooks
    assert found(replace(received, webhooks=[*others, last, replace(last, **wrong)])) == ["signature"]


def test_a_signature_by_half_is_found(received: Received, found: Found) -> None:
    """Of two secrets that are both in force, one is missing, or another one has signed."""
    [*others, last] = received.webhooks
    new, former = last.signatures.split()
    later = replace(last, at=last.at + timedelta(seconds=LONG))
    for signatures in (new, former, f"{new} v1,AAAA"):
        wrong = replace(later, signatures=signatures)
        assert found(replace(received, webhooks=[*others, last, wrong])) == ["signature"], signatures


def test_a_secret_of_another_time_is_found(received: Received, found: Found) -> None:
    first, *others = received.webhooks
    early = replace(others[-1], at=first.at - timedelta(seconds=1))
    assert found(replace(received, webhooks=[first, *others, early])) == ["signature"], "it was not there yet"
    late = replace(first, at=first.at + timedelta(seconds=LONG))
    assert found(replace(received, webhooks=[first, *others, late])) == ["signature"], "it had been replaced"


def test_a_secret_that_is_used_on_after_it_was_replaced_is_found(received: Received, found: Found) -> None:
    """A few may have been under way."""
    late = replace(received.webhooks[0], at=received.webhooks[0].at + timedelta(seconds=20))
    assert found(replace(received, webhooks=[*received.webhooks, late])) == []
    assert found(replace(received, webhooks=[*received.webhooks, *[late] * 30])) == ["signature"]


def test_what_is_left_is_found(engine: Engine, read: Read, received: Received) -> None:
    settle(engine, *(job("users.update_balance", user_id=1, amount_kopeks=1) for _ in range(3)))
    told = {which: event for which, event in told_events(read).items() if event.seq not in (5, 6, 7)}

    def left() -> list[str]:
        return findings(read, told, received, KEY)

    assert left() == ["events left: 3 in outbox"]
    one = applier(engine, LIMITS)
    Relay(one, Stream(), most=50).run()
    assert left() == ["events left: 3 in deliveries that wait", "events left: 1 in webhook_queues"]
    columns = "id, type, job_id, letter_id, account_id, seq"
    execute(engine, f"insert into stream_backlog (lane, {columns}) select 0, {columns} from webhook_deliveries limit 1")
    execute(engine, "update webhook_deliveries set status = 'exhausted', ended_at = now() where status = 'waiting'")
    assert left() == ["events left: 1 in stream_backlog", "events left: 1 in webhook_queues", "events given up: 3"]
