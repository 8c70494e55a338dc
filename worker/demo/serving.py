"""A small service on a free port of this machine, for as long as the demo needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Final

_HOST: Final = "127.0.0.1"
Respond = Callable[["Message[str, str]", bytes], tuple[int, bytes]]
"""Headers and body of a POST; its status, and JSON or nothing."""


@contextmanager
def serving(name: str, respond: Respond) -> Iterator[str]:
    """The address of one that answers as `respond` says."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, said = respond(self.headers, body)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            """The demo tells."""

    with ThreadingHTTPServer((_HOST, 0), Handler) as server:
        thread = Thread(target=server.serve_forever, name=f"demo-{name}", daemon=True)
        thread.start()
        try:
            yield f"http://{_HOST}:{server.server_port}/{name}"
        finally:
            server.shutdown()
            thread.join()
