"""Receivers that are slow, and others beside them: what may be under way is shared, and nobody has to wait for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic

import structlog
from sqlalchemy import Engine

from tasks.events.delivering import DeliveryPolicy
from tasks.events.sender import Receipt, WebhookRequest
from tests.integration.events.doubles import OK, Sender
from tests.integration.events.endpoints import add
from tests.integration.events.test_delivering import deliverer, make_due, tell
from tests.support.builders import execute, job, settle

SLOW = 4
POLICY = DeliveryPolicy(concurrency=16, base_s=0.0)


class Held(Sender):
    """Requests to slow endpoints are under way until each is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[tuple[Future[list[Receipt]], Sequence[WebhookRequest]]] = []

    def submit(self, requests: Sequence[WebhookRequest]) -> Future[list[Receipt]]:
        if "slow" not in requests[0].url:
            return super().submit(requests)
        future: Future[list[Receipt]] = Future()
        self.held.append((future, requests))
        return future

    def let_go(self) -> None:
        """The oldest of them is answered."""
        future, requests = self.held.pop(0)
        future.set_result([OK for _ in requests])


@contextmanager
def delivering(engine: Engine, sender: Held, policy: DeliveryPolicy = POLICY) -> Iterator[None]:
    """In a thread of its own, until nothing is under way any more."""
    thread = Thread(target=deliverer(engine, sender, policy).run)
    thread.start()
    try:
        yield
    finally:
        while thread.is_alive():
            if sender.held:
                sender.let_go()
            thread.join(0.01)


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline, pause = monotonic() + seconds, Event()
    while not condition():
        assert monotonic() < deadline
        pause.wait(0.01)


def test_slow_endpoints_with_much_to_get_leave_the_next_turn_to_another_one(engine: Engine) -> None:
    for number in range(SLOW):
        add(engine, f"https://slow-{number}.example/")
    add(engine, "https://good.example/")
    tell(engine, *range(1, 13))
    sender = Held()
    with delivering(engine, sender):
        wait_until(lambda: len(sender.held) + len(sender.sent) >= POLICY.concurrency)
        for _ in range(SLOW):
            sender.let_go()
        wait_until(lambda: len(sender.sent) == 12)


def test_an_endpoint_has_its_share_under_way_and_no_more(engine: Engine) -> None:
    add(engine, "https://slow.example/")
    tell(engine, *range(1, 13))
    sender, most = Held(), 0
    with delivering(engine, sender):
        for _ in range(8):
            wait_until(lambda: len(sender.held) >= POLICY.concurrency // 4)
            most = max(most, len(sender.held))
            sender.let_go()
    assert most == POLICY.concurrency // 4


def test_what_is_told_while_somebody_is_slow_is_sent_at_once(engine: Engine) -> None:
    add(engine, "https://slow.example/", kinds=["wallet"])
    add(engine, "https://good.example/", kinds=["user"])
    settle(engine, job("wallets.create", wallet_id="w", currency="USD"))
    sender = Held()
    tell(engine, 1)
    with delivering(engine, sender):
        wait_until(lambda: len(sender.held) == 1)
        began = monotonic()
        for number in range(1, 9):
            tell(engine, 1)
            wait_until(lambda number=number: len(sender.sent) > number)  # type: ignore[misc]
        assert monotonic() - began < 4, "half a second each would be the pause of nobody who has something to do"


def test_an_event_that_cannot_be_put_together_holds_up_its_account_and_no_other(engine: Engine) -> None:
    """What a newer version's job was answered, say, and this I/O worker is the one before."""
    add(engine)
    add(engine, "https://another.example/events")
    tell(engine, 1, 2, times=3)
    newer = (
        "select d.job_id from webhook_deliveries d join accounts a on a.id = d.account_id where d.seq = 2 and ref = '1'"
    )
    execute(engine, f"update jobs set name = 'users.of_tomorrow' where id in ({newer})")
    sender, careful = Sender(), DeliveryPolicy(base_s=60.0, concurrency=2)
    with structlog.testing.capture_logs() as logs:
        assert deliverer(engine, sender, careful).run() == 8
        make_due(engine)
        assert deliverer(engine, sender, careful).run() == 0, "nor is anything sent past it"
    assert sorted((event["account"], event["seq"]) for event in sender.events) == sorted(
        2 * [("user:1", 1), ("user:2", 1), ("user:2", 2), ("user:2", 3)]
    )
    assert {line["event"] for line in logs} == {"webhook.event_fault"}
    execute(engine, "update jobs set name = 'users.update_balance' where name = 'users.of_tomorrow'")
    make_due(engine)
    assert deliverer(engine, sender, careful).run() == 4
    assert [event["seq"] for event in sender.events if event["account"] == "user:1"][2:] == [2, 3, 2, 3]
