"""Prints each new event that arrives as a webhook as a line of JSON.

    WEBHOOK_SECRET=whsec_… python examples/events/webhook_receiver.py --port 8440

Needs: pip install standardwebhooks
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

BODY_BYTES_MAX = 1_048_576
REMEMBERED = 100_000


class Receiver(BaseHTTPRequestHandler):
    timeout = 30  # seconds that a sender may be silent
    webhook: Webhook
    lock = Lock()
    seen: dict[str, None] = {}  # noqa: RUF012  # a service has a unique key for the id, written with what it does

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
            return self._say(413)
        body = self.rfile.read(int(length))
        try:
            self.webhook.verify(body, dict(self.headers))  # over the bytes as they came
        except (WebhookVerificationError, ValueError):  # ValueError: it is no base64, no UTF-8, no JSON
            return self._say(400)
        self._take(self.headers["webhook-id"], body)
        return self._say(204)  # for one that came before, too: it would come again for ever

    def _take(self, event_id: str, body: bytes) -> None:
        with self.lock:
            if event_id not in self.seen:
                print(body.decode(), flush=True)
                self.seen[event_id] = None
                if len(self.seen) > REMEMBERED:
                    del self.seen[next(iter(self.seen))]

    def _say(self, status: int) -> None:
        self.send_response(status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: standard output is for events."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--secret", default=os.environ.get("WEBHOOK_SECRET"), help="whsec_ and base64")
    parser.add_argument("--port", type=int, default=8440, help="0: any that is free")
    given = parser.parse_args()
    if not given.secret:
        parser.error("WEBHOOK_SECRET is not set")
    Receiver.webhook = Webhook(given.secret)
    with ThreadingHTTPServer(("127.0.0.1", given.port), Receiver) as server:
        server.daemon_threads = False  # what is being received is answered before the end
        signal.signal(signal.SIGTERM, lambda *_: Thread(target=server.shutdown).start())
        print(f"ready on http://127.0.0.1:{server.server_port}", file=sys.stderr, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
