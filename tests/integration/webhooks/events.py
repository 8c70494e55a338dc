"""Events as delivering hands them over, and senders of a test."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final

from tasks.events.sender import Receipt, WebhookRequest
from worker.webhooks.sender import HttpWebhookSender

PATIENCE_S: Final = 30.0
KEY: Final = b"a key of a test"
BODY: Final = b'{"type": "balance.updated"}'


def event(url: str, name: str = "evt_1", **changes: Any) -> WebhookRequest:
    return WebhookRequest(**{"url": url, "event_id": name, "body": BODY, "keys": (KEY,), **changes})


def sender(*, allow_private: bool = True, timeout_s: float = PATIENCE_S, **how: Any) -> closing[HttpWebhookSender]:
    """Receivers of tests are on this machine: unless it is told otherwise it may reach them."""
    return closing(HttpWebhookSender(allow_private=allow_private, timeout_s=timeout_s, **how))


def sent(by: HttpWebhookSender, *requests: WebhookRequest) -> list[Receipt]:
    return by.submit(requests).result(PATIENCE_S)


def resolving(*answers: Sequence[str]) -> Any:
    """A resolver that gives each answer once, and the last from then on."""
    left = [*answers]

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve
