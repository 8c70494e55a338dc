"""When a batch is looked at: before the event loop waits, whenever its messages were read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from kombu.asynchronous import Hub

from worker.app import app
from worker.consuming.batch_consumer import BatchConsumer
from worker.observability.recent import Recent
from worker.runtime import Runtime
from worker.settings.settings import Settings


class _Looks(BatchConsumer):
    """Notes what it does, among what the loop does."""

    def __init__(self, hub: Hub, done: list[str]) -> None:
        connection = SimpleNamespace(transport=SimpleNamespace(driver_type="redis"))
        self.done = done
        super().__init__(
            Runtime(Settings()), app, SimpleNamespace(hub=hub, timer=hub.timer, connection=connection, recent=Recent())
        )

    def flush(self) -> None:
        if self._told:
            self.done.append("looked")
        super().flush()


@pytest.mark.parametrize("when", ["while it waited", "since it began"])
def test_nothing_that_was_read_waits_with_the_loop(monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    hub, done = Hub(), list[str]()
    batches = _Looks(hub, done)
    read = [batches._look_soon]

    def poll(_timeout: float) -> list[Any]:
        done.append("waits")
        if read:
            read.pop()()
        return []

    if when == "since it began":
        hub.call_soon(read.pop())  # what reads from RabbitMQ is called so, before or after the batch is
    monkeypatch.setattr(hub.poller, "poll", poll)
    hub.readers[0] = (lambda: None, ())  # type: ignore[assignment]  # kombu keeps the arguments with it
    loop = hub.create_loop()
    for _ in range(3):
        next(loop)
    hub.readers.clear()
    assert done == (["waits", "looked", "waits", "waits"] if when == "while it waited" else ["looked", *["waits"] * 3])
