"""A small HTTP server in a thread of its own: a few paths, GET and HEAD, and nothing that a stranger can hold on to."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore, Thread
from typing import Any, Final

_REQUEST_S: Final = 5.0  # for a request to come in, and for its answer to be taken
_AT_ONCE: Final = 8  # connections; more wait for a moment, since an answer takes milliseconds, and are closed then
_PATIENCE_S: Final = 0.5
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered."""

    status: int
    body: bytes
    content_type: str = _JSON


def as_json(status: int, document: Mapping[str, Any]) -> Reply:
    return Reply(status, json.dumps(document).encode())


class Listener:
    """`answers`: by path; they neither wait nor raise. Raises OSError when it cannot listen there."""

    def __init__(self, address: str, port: int, answers: Mapping[str, Callable[[], Reply]]) -> None:
        self._server = _Server((address, port), answers)
        self.port: Final[int] = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever, args=(0.2,), name="metrics-http", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # of those that wait
    block_on_close = False  # whoever still waits for an answer does not keep the process

    def __init__(self, address: tuple[str, int], answers: Mapping[str, Callable[[], Reply]]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.answers, self._free = answers, BoundedSemaphore(_AT_ONCE)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Without the look-up of its own name, which may take as long as a name server does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(timeout=_PATIENCE_S):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: whoever asked went away, or took too long."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _REQUEST_S
    server_version, sys_version = "balance-worker", ""

    def do_GET(self) -> None:
        answer = self.server.answers.get(self.path.partition("?")[0])
        reply = as_json(404, {"error": "there is nothing at this path"}) if answer is None else answer()
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    do_HEAD = do_GET  # noqa: N815 - the standard library's name

    def log_message(self, *_: Any) -> None:
        """Nothing: a probe every second would be most of the log."""
