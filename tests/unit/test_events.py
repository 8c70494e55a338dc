"""Events while there is no broker: given up, kept for later, and not without bound. And from several threads."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery

from worker.observability import celery_events as events


@pytest.fixture
def dispatcher() -> events.Dispatcher:
    app = Celery(broker="redis://127.0.0.1:1", events="worker.observability.celery_events:Events", set_as_current=False)
    made = app.events.Dispatcher(app.connection_for_write(), hostname="worker@here")
    assert isinstance(made, events.Dispatcher)
    return made


class Broker:
    """What a dispatcher publishes to: takes events, or is away."""

    def __init__(self) -> None:
        self.took: list[Any] = []
        self.asked = 0
        self.away = False
        self.meanwhile: list[Any] = []  # called once each, while something is being sent

    def publish(self, event: Any, **_: Any) -> None:
        self.asked += 1
        if self.meanwhile:
            self.meanwhile.pop()()
        if self.away:
            raise OSError("the broker is away")
        self.took += [each["number"] for each in event] if isinstance(event, list) else [event["number"]]


@pytest.fixture
def gathering() -> events.Dispatcher:
    return _gathering(Broker())


def _gathering(broker: Broker) -> events.Dispatcher:
    """A dispatcher like that of a worker's event loop."""
    app = Celery(broker="memory://", events="worker.observability.celery_events:Events", set_as_current=False)
    made = app.events.Dispatcher(app.connection_for_write(), buffer_group=["task"], on_send_buffered=lambda: None)
    made.producer = broker
    assert isinstance(made, events.Dispatcher)
    return made


def _broker(dispatcher: events.Dispatcher) -> Broker:
    broker: Broker = dispatcher.producer
    return broker


def test_what_another_thread_adds_while_events_are_sent_is_sent_next(gathering: events.Dispatcher) -> None:
    broker = _broker(gathering)
    broker.meanwhile = [lambda: gathering.send("task-started", number=2)]
    gathering.send("task-started", number=1)
    for _ in range(2):
        gathering.flush()
    assert broker.took == [1, 2]
    gathering.flush()
    assert broker.asked == 2, "nothing waits, so nothing is sent"


def test_what_cannot_be_sent_is_kept_whole_and_tried_once_at_a_time(gathering: events.Dispatcher) -> None:
    broker = _broker(gathering)
    broker.away = True
    for number in range(3):
        gathering.send("task-started", number=number)
        gathering.flush()
    assert broker.asked == 3, "each attempt may last as long as the broker's timeout"
    broker.away = False
    gathering.flush()
    assert sorted(broker.took) == [0, 1, 2]


def test_what_the_dispatcher_of_an_earlier_connection_is_told_is_sent_by_the_next(gathering: events.Dispatcher) -> None:
    gathering.send("task-received", number=0)
    gathering.close()
    following = _gathering(Broker())
    following.extend_buffer(gathering)
    following.flush()
    for number in range(1, 30):  # more than are gathered at once
        gathering.send("task-succeeded", number=number)
    following.flush()
    assert _broker(following).took == [*range(30)]


def test_closing_lets_go_of_nothing_that_another_thread_holds(gathering: events.Dispatcher) -> None:
    with gathering.mutex:
        gathering.close()


def test_a_heartbeat_is_given_up_and_kept(dispatcher: events.Dispatcher) -> None:
    dispatcher.send("worker-heartbeat", retry=True)
    [(event, routing_key, _)] = dispatcher._outbound_buffer
    assert (event["type"], routing_key) == ("worker-heartbeat", "worker.heartbeat")


def test_the_latest_are_kept(dispatcher: events.Dispatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_BUFFERED_MAX", 2)
    dispatcher.__init__(dispatcher.connection, hostname="worker@here")  # type: ignore[misc]
    for number in range(3):
        dispatcher.send("worker-heartbeat", retry=True, number=number)
    assert [event["number"] for event, _, _ in dispatcher._outbound_buffer] == [1, 2]


def test_events_of_tasks_are_for_those_who_want_them(dispatcher: events.Dispatcher) -> None:
    assert events.of_tasks(dispatcher) is dispatcher
    dispatcher.groups = {"worker"}  # with worker_send_task_events off
    assert events.of_tasks(dispatcher) is None
    dispatcher.groups.add("task")  # told by remote control
    assert events.of_tasks(dispatcher) is dispatcher
    dispatcher.disable()
    assert events.of_tasks(dispatcher) is None
    assert events.of_tasks(None) is None
