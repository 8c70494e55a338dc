"""A payment service for the demo: it moves no money. examples/payment_service is one to begin from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from threading import Lock

from worker.demo.serving import serving


@dataclass(slots=True)
class PaymentService:
    """Answers equal keys alike. `charged`: (amount in minor units, currency), by key."""

    url: str = ""
    declining: bool = False  # the card
    charged: dict[str, tuple[int, str]] = field(default_factory=dict)
    declined: int = 0
    _lock: Lock = field(default_factory=Lock)

    def respond(self, headers: Message[str, str], body: bytes) -> tuple[int, bytes]:
        key, asked = headers["Idempotency-Key"], json.loads(body)
        with self._lock:
            if self.declining and key not in self.charged:
                self.declined += 1
                return 402, json.dumps({"status": "declined", "code": "card_declined"}).encode()
            self.charged[key] = asked["amount"], asked["currency"]
            return 200, json.dumps({"status": "succeeded", "reference": f"demo-{len(self.charged)}"}).encode()


@contextmanager
def payment_service() -> Iterator[PaymentService]:
    """One that listens, on a free port of this machine."""
    service = PaymentService()
    with serving("charges", service.respond) as service.url:
        yield service
