"""A receiver of webhooks for the demo: it believes nothing that is not signed. examples/events has one to begin from.

It verifies with the standard library alone, by the Standard Webhooks specification and not by what signs here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from threading import Lock
from typing import Any

from worker.demo.serving import serving


@dataclass(slots=True)
class WebhookReceiver:
    """`events`: by id, in the order in which they first came. `secret`: until it is known, nothing is taken."""

    url: str = ""
    secret: str = ""
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: int = 0  # for their signature
    _lock: Lock = field(default_factory=Lock)

    def respond(self, headers: Message[str, str], body: bytes) -> tuple[int, bytes]:
        with self._lock:
            if not self.secret:
                return 503, b""
            if not self._is_signed(headers, body):
                self.refused += 1
                return 400, b""
            self.events.setdefault(headers["webhook-id"], json.loads(body))
            return 204, b""

    def _is_signed(self, headers: Message[str, str], body: bytes) -> bool:
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        said = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        wanted = "v1," + base64.b64encode(hmac.new(key, said, hashlib.sha256).digest()).decode()
        return any(hmac.compare_digest(wanted, given) for given in headers["webhook-signature"].split())


@contextmanager
def webhook_receiver() -> Iterator[WebhookReceiver]:
    """One that listens, on a free port of this machine."""
    receiver = WebhookReceiver()
    with serving("events", receiver.respond) as receiver.url:
        yield receiver
