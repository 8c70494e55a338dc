"""What a worker tells about its broker to whoever asks over it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from kombu import Connection
from kombu.utils.json import dumps

from worker.app import _transport_options
from worker.consuming.consumer import BatchStep
from worker.runtime import Runtime
from worker.settings.settings import Settings


def test_no_host_of_the_broker_is_told_with_its_password() -> None:
    consumer: Any = SimpleNamespace(connection=Connection("amqp://a:hunter2@h1//;amqp://a:hunter2@h2//"))
    told = BatchStep(consumer).info(consumer)
    assert told["broker"]["hostname"] == "h1"
    assert told["broker"]["alternates"] == ["amqp://a:***@h1//", "amqp://a:***@h2//"]
    assert "hunter2" not in repr(told)
    assert BatchStep(consumer).info(SimpleNamespace(connection=None)) == {}  # type: ignore[arg-type]


@pytest.mark.parametrize("url", ["redis://h/0", "amqp://h//"])
def test_whatever_a_connection_is_made_with_can_be_told(url: str) -> None:
    connection = Connection(url, transport_options=_transport_options(Runtime(Settings(broker_url=url, partitions=2))))
    consumer: Any = SimpleNamespace(connection=connection)
    assert "kept_queues" in dumps(BatchStep(consumer).info(consumer))
