"""An HTTP proxy in front of a payment service: it writes down what is asked, and can spoil the answer.

What it spoils, it spoils once for each time that it was told to, in that order; everything else passes.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

_PATIENCE_S: Final = 20.0


@dataclass(frozen=True)
class Reply:
    """An answer, as it goes to whoever asked. `raw`: these bytes in its place, and the end of the connection."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes


LOST: Final = "lost"  # the server does it, and the connection ends without an answer
HELD: Final = "held"  # the server does it, and the answer never comes
PASSED: Final = "passed"  # nothing happens to it
Spoiled = Reply | Literal["lost", "held", "passed"]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


class RecordingProxy:
    """Passes requests on to the server at `upstream`, each over a connection of its own."""

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream)
        self.asked: list[Asked] = []
        self._spoiled: deque[Spoiled] = deque()
        self._lock, self._released = Lock(), Event()
        self._listen(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self.go_down()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def spoil(self, *how: Spoiled) -> None:
        """What becomes of the next requests, one each."""
        self._spoiled.extend(how)

    def forgive(self) -> None:
        """Nothing is spoiled any more."""
        self._spoiled.clear()

    def go_down(self) -> None:
        """Nobody listens any more."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def come_up(self) -> None:
        """At the same port as before."""
        self._listen(self._port)

    def reply(self, asked: Asked) -> Reply:
        """What the server says to it."""
        connection = HTTPConnection(self._upstream.hostname or "", self._upstream.port, timeout=_PATIENCE_S)
        try:
            kept = {name: value for name, value in asked.headers.items() if name not in ("connection", "host")}
            kept["content-length"] = str(len(asked.body))
            connection.request(asked.method, asked.path, asked.body, kept)
            response = connection.getresponse()
            passed = {name: value for name, value in response.getheaders() if name.lower() in ("date", "retry-after")}
            return Reply(response.status, response.read(), {"Content-Type": "application/json", **passed})
        finally:
            connection.close()

    def _listen(self, port: int) -> None:
        proxy = self

        class Handler(_Handler):
            def answer(self, asked: Asked) -> None:
                proxy._answer(self, asked)

        self._server = _Server(("127.0.0.1", port), Handler)
        self._port = self._server.server_port
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def _answer(self, handler: _Handler, asked: Asked) -> None:
        with self._lock:
            self.asked.append(asked)
            spoiled = self._spoiled.popleft() if self._spoiled else None
        if isinstance(spoiled, Reply):
            handler.say(spoiled)
            return
        reply = self.reply(asked)
        if spoiled == HELD:
            self._released.wait(_PATIENCE_S)
        if spoiled in (None, PASSED):
            handler.say(reply)
        else:
            handler.hang_up()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body go one after the other: the second would wait for 40 ms

    def answer(self, asked: Asked) -> None:
        raise NotImplementedError

    def handle_one(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.answer(Asked(self.command, self.path, headers, body))

    do_GET = do_POST = handle_one  # noqa: N815 - as the base class calls them

    def say(self, reply: Reply) -> None:
        if reply.raw is not None:
            self.wfile.write(reply.raw)
            self.hang_up()
            return
        self.send_response_only(reply.status)  # without a Date of its own
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what was asked is kept by the proxy."""

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True  # whoever asked did not wait
