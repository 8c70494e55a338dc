"""Events to publish."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from balance_client.brokers.tls import Tls
from models.contracts.replies.events import EventMessage
from worker.event_stream.address import StreamAddress

OCCURRED_AT: Final = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
ACCOUNTS: Final = 7


def made(first: int, count: int = 1, *, size: int = 900) -> list[EventMessage]:
    """Events of a few accounts, numbered from the first on."""
    return [_event(number, size) for number in range(first, first + count)]


def _event(number: int, size: int) -> EventMessage:
    account = f"wallet:w_{number % ACCOUNTS}"
    content = {"id": f"event-{number}", "account": account, "seq": number, "name": "Ünï", "data": "x" * size}
    body = json.dumps(content, ensure_ascii=False).encode()
    return EventMessage(f"event-{number}", "wallet.balance.updated", account, OCCURRED_AT, body)


def numbers(bodies: Sequence[str | bytes]) -> list[int]:
    """Of the events with these bodies, in their order."""
    return [json.loads(body)["seq"] for body in bodies]


def first_seen(found: list[int]) -> list[int]:
    """Without those that came before: what a receiver makes of duplicates."""
    return [*dict.fromkeys(found)]


def address(url: str, name: str, timeout_s: float = 10.0, **tls: Any) -> StreamAddress:
    return StreamAddress(url, "BALANCE_EVENT_STREAM_URL", name, timeout_s, Tls(**tls))
