"""Which queue a message was taken from."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from worker.consuming.admission import queue_of


@pytest.mark.parametrize(
    ("delivery", "tags", "queue"),
    [
        ({"exchange": "", "routing_key": "balance"}, {}, "balance"),
        ({"consumer_tag": "2", "routing_key": "balance.io"}, {"balance.io": "1", "balance": "2"}, "balance"),
        ({"consumer_tag": "3", "routing_key": "balance.io"}, {"balance": "2"}, "balance.io"),  # cancelled meanwhile
        ({"consumer_tag": "3", "routing_key": "balance.io"}, None, "balance.io"),  # the worker stops
        ({"consumer_tag": "3", "routing_key": 5}, {}, None),
        ({}, {}, None),
        (None, {}, None),
    ],
)
def test_it_is_what_the_broker_says_and_not_the_message(
    delivery: Any, tags: dict[str, str] | None, queue: str | None
) -> None:
    taking = None if tags is None else SimpleNamespace(_active_tags=tags)
    message, consumer = SimpleNamespace(delivery_info=delivery), SimpleNamespace(task_consumer=taking)
    assert queue_of(message, consumer) == queue
