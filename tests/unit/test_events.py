"""Events while there is no broker: given up, kept for later, and not without bound."""

from __future__ import annotations

import pytest
from celery import Celery

from worker import events


@pytest.fixture
def dispatcher() -> events.Dispatcher:
    app = Celery(broker="redis://127.0.0.1:1", events="worker.events:Events", set_as_current=False)
    made = app.events.Dispatcher(app.connection_for_write(), hostname="worker@here")
    assert isinstance(made, events.Dispatcher)
    return made


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
