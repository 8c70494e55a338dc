"""The I/O worker is killed at every step of the relay and of delivering: every event arrives, in its account's order.

One deployment goes through all of it: each victim finds what the one before has left, and events of its own. Whose
events are missing in the end says at which step they were lost. The broker plays no part in delivering, which is killed
on Redis alone. docs/crash-matrix.md is this table in words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import pytest

from balance_client.publishing.confirms import Confirms
from models.store.write.events import deliveries, endpoints, lanes
from tasks.events.delivering import Deliverer
from tasks.events.disabling import disable_job
from tasks.events.relay import Relay
from tests.acceptance.killpoints import KillPoint
from tests.acceptance.system import System, wait_until
from tests.acceptance.telling import TIMEOUT_S, Telling, duplicates, received, stream_of
from tests.support.builders import execute
from tests.support.servers.receiver import Receiver
from tests.support.servers.recording_proxy import Reply
from worker.event_stream.rabbitmq import RabbitMQStream
from worker.event_stream.redis import RedisStream
from worker.local.ports import free_port
from worker.webhooks.answers import Answer

USERS: Final = 10
NUMBERS: Final = (1, 2, 3)  # corrections of each user
_PUBLISH: Final = (RedisStream.publish, RabbitMQStream.publish)
_CUT: Final = Reply(500, b"no")
_GONE: Final = Reply(410)
Where = Literal["outbox", "stream_backlog", "webhook_deliveries", ""]


@dataclass(frozen=True, slots=True)
class Step:
    """Where the I/O worker dies. `all_in`: where all events of this step are then; empty: they are on their way.

    `away`: nobody listens where the stream should be. `spoiled`: what the receiver says to some requests.
    """

    point: KillPoint
    all_in: Where = ""
    away: bool = False
    spoiled: tuple[Reply, ...] = field(default=())


def _step(function: Any, when: Any, call: int = 1, **what: Any) -> Step:
    return Step(KillPoint(function, when, call), **what)


RELAYING: Final = {
    "lanes claimed": _step(lanes.claim, "after", all_in="outbox"),
    "events read": _step(lanes.take, "after", all_in="outbox"),
    "published": _step(_PUBLISH, "after", all_in="outbox"),
    "queued for webhooks": _step(lanes.fan_out, "after", all_in="outbox"),
    "gone from the outbox, before the commit": _step(lanes.gone, "after", all_in="outbox"),
    "after the commit": _step(Relay._turn, "after"),
    "put off for the stream, before the commit": _step(lanes.put_off, "after", away=True, all_in="outbox"),
    "put off for the stream": _step(lanes.put_off, "after", 2, away=True),
    "read from the backlog": _step(lanes.backlog, "after", 3),
    "caught up, before the commit": _step(lanes.caught_up, "after"),
}
DELIVERING: Final = {
    "queues claimed": _step(deliveries.claim, "after"),
    "queues claimed, after the commit": _step(Deliverer._claim, "after"),
    "a webhook is answered": _step(Answer.receipt, "before", 4),
    "webhooks are sent, nothing is noted": _step(Deliverer._conclude, "before"),
    "noted, before the commit": _step(deliveries.settle, "after"),
    "noted, after the commit": _step(Deliverer._note, "after"),
    "a failure noted, before the commit": _step(endpoints.failed, "after", spoiled=(_CUT,) * 40),
    "gone, before it is disabled": _step(disable_job, "before", spoiled=(_GONE,)),
}
ON_RABBITMQ: Final = {"half of a batch published": _step(Confirms.sending, "before", 4, all_in="outbox")}


@pytest.fixture
def telling(any_system: System, unique_queue: str) -> Iterator[Telling]:
    name = f"{unique_queue}.events"
    with stream_of(any_system.broker_url, name) as stream:
        yield Telling(any_system, stream, name)


def test_killed_at_every_step_no_event_is_lost(telling: Telling) -> None:
    system = telling.system
    system.money_worker()
    nowhere = system.broker_url.rpartition("@")[0].partition("//")[0] + f"//127.0.0.1:{free_port()}"
    steps = {**RELAYING, **(ON_RABBITMQ if system.broker_url.startswith("amqp") else DELIVERING)}
    victims = {}
    with Receiver() as spoiled, Receiver() as other:
        for receiver in (spoiled, other):
            telling.listen(receiver.url)
        for number, (name, step) in enumerate(steps.items()):
            victims[name] = users = telling.users(USERS)
            telling.tell(users, *NUMBERS)
            spoiled.forgive()
            spoiled.spoil(*step.spoiled)
            _claims_run_out(system)
            system.environment.pop("BALANCE_EVENT_STREAM_URL", None)
            if step.away:
                system.environment["BALANCE_EVENT_STREAM_URL"] = nowhere
            with telling.io_worker(f"victim-{number}", step.point):
                if step.all_in:
                    assert _count_in(system, step.all_in, users) == USERS * len(NUMBERS), name
        spoiled.forgive()
        with telling.io_worker("rescuer"):  # and what the last one has claimed is sent when that claim runs out
            telling.all_leave()
        arrived = {"stream": telling.stream.events(), "spoiled": received(spoiled), "other": received(other)}
    for where, events in arrived.items():
        for name, users in victims.items():
            try:
                telling.assert_arrived(events, users)
            except AssertionError as lost:
                raise AssertionError(f"{where}, {name}: {lost}") from lost
    assert duplicates(arrived["stream"]), "some were published, and nobody had noted it"
    assert duplicates(arrived["other"]), "some were sent, and nobody had noted it"


def test_what_a_dead_worker_has_claimed_is_sent_when_its_claim_runs_out(system: System, unique_queue: str) -> None:
    with stream_of(system.broker_url, unique_queue) as stream, Receiver() as receiver:
        telling = Telling(system, stream, unique_queue)
        system.money_worker()
        telling.listen(receiver.url)
        users = telling.users(1)
        telling.tell(users, 1, 2)
        with telling.io_worker("victim", KillPoint(Answer.receipt, "after")):
            [claimed] = system.rows("select due_at, due_at > clock_timestamp() as later from webhook_queues")
            assert claimed.later, f"five requests may take {5 * TIMEOUT_S} s"
        with telling.io_worker("rescuer"):
            telling.all_leave()
        [first] = system.rows("select first_at from webhook_deliveries order by id limit 1")
        assert first.first_at >= claimed.due_at, "nobody sends what another has claimed"
        ids = receiver.ids
        assert ids[0] in ids[1:], "it is sent again, under the same id"
        telling.assert_arrived(received(receiver), users)
        wait_until("the stream", lambda: telling.has(stream.events(), users))


def _claims_run_out(system: System) -> None:
    """No test waits for that, but for the one of it."""
    execute(system.engine, "update webhook_queues set due_at = clock_timestamp()")


def _count_in(system: System, table: Where, users: list[int]) -> int:
    query = f"select count(*) from {table} t join accounts a on a.id = t.account_id where a.ref = any(:refs)"
    return int(system.rows(query, refs=[str(user) for user in users])[0][0])
