"""What a worker tells about its broker to whoever asks over it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from kombu import Connection

from worker.consumer import LaneStep


def test_no_host_of_the_broker_is_told_with_its_password() -> None:
    consumer: Any = SimpleNamespace(connection=Connection("amqp://a:hunter2@h1//;amqp://a:hunter2@h2//"))
    told = LaneStep(consumer).info(consumer)
    assert told["broker"]["hostname"] == "h1"
    assert told["broker"]["alternates"] == ["amqp://a:***@h1//", "amqp://a:***@h2//"]
    assert "hunter2" not in repr(told)
    assert LaneStep(consumer).info(SimpleNamespace(connection=None)) == {}  # type: ignore[arg-type]
