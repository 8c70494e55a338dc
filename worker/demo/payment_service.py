"""A payment service for the demo: it moves no money. examples/payment_service is one to begin from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Final

_HOST: Final = "127.0.0.1"


@dataclass(slots=True)
class PaymentService:
    """Answers equal keys alike. `charged`: (amount in minor units, currency), by key."""

    url: str = ""
    declining: bool = False  # the card
    charged: dict[str, tuple[int, str]] = field(default_factory=dict)
    declined: int = 0
    _lock: Lock = field(default_factory=Lock)

    def answer(self, key: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        with self._lock:
            if self.declining and key not in self.charged:
                self.declined += 1
                return 402, {"status": "declined", "code": "card_declined"}
            self.charged[key] = asked["amount"], asked["currency"]
            return 200, {"status": "succeeded", "reference": f"demo-{len(self.charged)}"}


@contextmanager
def payment_service() -> Iterator[PaymentService]:
    """One that listens, on a free port of this machine."""
    service = PaymentService()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, answer = service.answer(self.headers["Idempotency-Key"], json.loads(body))
            said = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            """The demo tells."""

    with ThreadingHTTPServer((_HOST, 0), Handler) as server:
        thread = Thread(target=server.serve_forever, name="demo-payments", daemon=True)
        thread.start()
        service.url = f"http://{_HOST}:{server.server_port}/charges"
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()
