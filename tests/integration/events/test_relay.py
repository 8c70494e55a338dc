"""The relay: at least once, in the order of each account, whatever fails and however many relays there are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock
from typing import Any

import pytest
from sqlalchemy import Engine

from models.store.connection.session import transaction
from models.store.write import journals
from models.store.write.events import lanes
from tasks.apply.path import decide_jobs
from tasks.events.relay import Relay
from tests.acceptance.system import wait_until
from tests.integration.events.doubles import Stream
from tests.integration.events.endpoints import add
from tests.support.builders import LIMITS, applier, ask, execute, job, rows, settle

USERS = 20


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def told(engine: Engine, rounds: int = 3) -> int:
    """So many corrections of each of some users; how many events that is."""
    settle(engine, *(job("users.upsert", user_id=user) for user in range(1, USERS + 1)))
    for _ in range(rounds):
        settle(engine, *(job("users.update_balance", user_id=user, amount_kopeks=1) for user in range(1, USERS + 1)))
    return rounds * USERS


def relay(engine: Engine, stream: Stream | None, most: int = 7, clock: Clock | None = None) -> Relay:
    return Relay(applier(engine, LIMITS), stream, most=most, clock=clock or Clock())


def run(one: Relay) -> int:
    """Until there is nothing left to do."""
    total = 0
    while relayed := one.run():
        total += relayed
    return total


def count(engine: Engine, table: str) -> int:
    [row] = rows(engine, f"select count(*) as count from {table}")
    return int(row["count"])


def in_order(stream: Stream, rounds: int = 3) -> bool:
    return all(
        stream.of(f"user:{user}") == [(seq, "user.balance.updated") for seq in range(1, rounds + 1)]
        for user in range(1, USERS + 1)
    )


def test_every_event_goes_to_the_stream_once_and_leaves_the_outbox(engine: Engine) -> None:
    number, stream = told(engine), Stream()
    assert run(relay(engine, stream)) == number
    assert len(stream.taken) == number
    assert len({event["id"] for event in stream.taken}) == number
    assert in_order(stream)
    assert count(engine, "outbox") == 0


def test_who_dies_between_the_broker_and_the_commit_publishes_again_under_the_same_ids(engine: Engine) -> None:
    number, stream = told(engine), Stream()
    first = relay(engine, stream)

    def die() -> None:
        raise KeyboardInterrupt

    stream.after = die
    with pytest.raises(KeyboardInterrupt):
        first.run()
    before = [event["id"] for event in stream.taken]
    assert before
    assert count(engine, "outbox") == number
    stream.after = lambda: None
    run(relay(engine, stream))
    after = [event["id"] for event in stream.taken[len(before) :]]
    assert sorted(after) == sorted({*after})
    assert {*before} < {*after}
    assert in_order(stream)


def test_events_wait_for_a_broker_that_takes_none_and_keep_their_order(engine: Engine) -> None:
    told(engine, rounds=1)
    stream, clock = Stream(), Clock()
    stream.up = False
    one = relay(engine, stream, clock=clock)
    assert one.run() == 0
    assert count(engine, "outbox") == USERS
    stream.up = True
    assert one.run() == 0, "it is left alone for a while"
    clock.now = 60.0
    told_again = run(one)
    assert told_again == USERS
    assert in_order(stream, rounds=1)


def test_a_broker_that_takes_none_keeps_no_webhook_waiting(engine: Engine) -> None:
    endpoint = add(engine)
    number = told(engine, rounds=2)
    stream, clock = Stream(), Clock()
    stream.up = False
    one = relay(engine, stream, clock=clock)
    one.run()
    assert run(one) == number
    assert count(engine, "outbox") == 0
    assert count(engine, "stream_backlog") == number
    [row] = rows(engine, "select count(*) as count from webhook_deliveries where endpoint_id = :id", id=endpoint)
    assert row["count"] == number

    settle(engine, *(job("users.update_balance", user_id=user, amount_kopeks=1) for user in range(1, USERS + 1)))
    stream.up, clock.now = True, 60.0
    run(one)
    assert count(engine, "stream_backlog") == count(engine, "outbox") == 0
    assert in_order(stream, rounds=3)
    assert len(stream.taken) == 3 * USERS
    [row] = rows(engine, "select count(*) as count from webhook_deliveries where endpoint_id = :id", id=endpoint)
    assert row["count"] == 3 * USERS, "each once, whichever way it took"


def test_without_a_stream_events_go_to_webhooks_and_without_any_nowhere(engine: Engine) -> None:
    number = told(engine, rounds=1)
    assert run(relay(engine, None)) == number
    assert count(engine, "outbox") == 0
    add(engine)
    settle(engine, job("users.update_balance", user_id=1, amount_kopeks=1))
    run(relay(engine, None))
    assert count(engine, "webhook_deliveries") == 1


def test_an_endpoint_that_comes_while_lanes_are_taken_misses_nothing_of_after_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(engine, rounds=1)
    take = lanes.take

    def meanwhile(*arguments: Any) -> list[lanes.Taken]:
        monkeypatch.setattr(lanes, "take", take)
        add(engine)
        ask(engine, "users.update_balance", user_id=1, amount_kopeks=1)
        return take(*arguments)

    monkeypatch.setattr(lanes, "take", meanwhile)
    run(relay(engine, Stream(), most=500))
    [row] = rows(engine, "select count(*) as count from webhook_deliveries where seq = 2")
    assert row["count"] == 1


def test_nothing_waits_for_an_endpoint_that_is_removed_meanwhile(engine: Engine) -> None:
    endpoint = add(engine)
    told(engine, rounds=1)
    with ThreadPoolExecutor(1) as pool, engine.connect() as removing:
        unit = decide_jobs(removing, [job("webhooks.remove", endpoint_id=endpoint)], LIMITS)
        unit.write(removing, journals.take(removing))
        relayed = pool.submit(run, relay(engine, Stream()))
        wait_until("it to wait for the endpoint", lambda: rows(engine, "select 1 from pg_locks where not granted"))
        removing.commit()
        assert relayed.result() == USERS
    assert count(engine, "webhook_queues") == 0
    assert count(engine, "webhook_deliveries") == 0


def test_an_event_that_becomes_visible_late_is_not_passed_by(engine: Engine) -> None:
    """Numbers are taken before the commit: the one of a slow transaction may be lower than those that are gone."""
    settle(engine, *(job("users.upsert", user_id=user) for user in (1, 17)))
    stream = Stream()
    with transaction(engine) as slow:
        unit = decide_jobs(slow, [job("users.update_balance", user_id=1, amount_kopeks=1)], LIMITS)
        unit.write(slow, None)
        settle(engine, job("users.update_balance", user_id=17, amount_kopeks=1))
        assert run(relay(engine, stream)) == 1
        assert stream.of("user:1") == []
        assert count(engine, "outbox") == 0
    assert run(relay(engine, stream)) == 1
    assert stream.of("user:1") == [(1, "user.balance.updated")]


def test_relays_share_the_lanes_and_no_account_gets_out_of_order(engine: Engine) -> None:
    number = told(engine, rounds=10)
    taken: list[dict[str, Any]] = []
    lock, together = Lock(), Barrier(2)

    class Shared(Stream):
        def publish(self, events: Any) -> None:
            super().publish(events)
            with lock:
                taken.extend(self.taken)
                self.taken.clear()

    def one(_number: int) -> int:
        together.wait(10)
        return run(relay(engine, Shared(), most=5))

    with ThreadPoolExecutor(2) as pool:
        shares = [*pool.map(one, range(2))]
    run(relay(engine, Shared(), most=5))  # what one had locked when the other one looked for the last time
    assert sum(shares) <= number
    assert len(taken) == number
    both = Stream()
    both.taken = taken
    assert in_order(both, rounds=10)


def test_an_event_that_cannot_be_told_holds_up_its_lane_alone(engine: Engine) -> None:
    number = told(engine, rounds=1)
    [broken] = rows(engine, "select j.id, o.lane from jobs j join outbox o on o.job_id = j.id order by o.id limit 1")
    [kept] = rows(engine, "select cast(outcome as text) as outcome from jobs where id = :id", id=broken["id"])
    execute(engine, "update jobs set outcome = '[]' where id = :id", id=broken["id"])
    stream, clock = Stream(), Clock()
    one = relay(engine, stream, clock=clock)
    for _ in range(lanes.COUNT):  # it has to find out which
        run(one)
    left = rows(engine, "select lane from outbox")
    assert {row["lane"] for row in left} == {broken["lane"]}
    assert len(stream.taken) == number - len(left)
    execute(
        engine, "update jobs set outcome = cast(:kept as json) where id = :id", id=broken["id"], kept=kept["outcome"]
    )
    clock.now = 60.0
    run(one)
    assert in_order(stream, rounds=1)


def test_lanes_that_somebody_has_are_left_to_him(engine: Engine) -> None:
    told(engine)
    stream = Stream()
    with transaction(engine) as other:
        mine = lanes.claim(other, 3, backlog=True)
        assert mine is not None
        run(relay(engine, stream))
        left = rows(engine, "select distinct lane from outbox")
        assert {row["lane"] for row in left} == {*mine.numbers}
    run(relay(engine, stream))
    assert in_order(stream)
