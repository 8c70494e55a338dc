"""A receiver of webhooks that fails in every way: it keeps all that comes, whatever it makes of it."""

from __future__ import annotations

import random
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any, Final

from tests.chaos.endpoints import MAIN
from tests.chaos.events.seen import Arrival

TIMEOUT_S: Final = 2.0  # of whoever sends: what is late is later than that
_HOST: Final = "127.0.0.1"
# How often an answer is which, of a thousand.
_ANSWERS: Final = {
    "taken": 900, "slow": 40, "500": 12, "503": 12, "302": 8, "garbage": 8, "reset": 8, "lost": 8, "drip": 2, "late": 2,
}  # fmt: skip
FAILURES: Final = ("500", "503", "302", "garbage", "reset", "lost", "drip", "late")
_GONE: Final = 0.01  # of what is sent to another than the main endpoint: 410, after which it is disabled
_AT_ONCE: Final = struct.pack("ii", 1, 0)  # SO_LINGER: the connection ends with a reset


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_port = True
    request_queue_size = 128


class Receiver:
    """`mood`: what becomes of every request, unless None. `patient`: nobody is told to stop for good any more."""

    def __init__(self, how: random.Random) -> None:
        self._random, self._lock = how, Lock()
        self.arrivals: list[Arrival] = []
        self.mood: str | None = None
        self.patient = False
        self._ending = Event()
        self._open: set[socket.socket] = set()
        # Keeps the port while nobody listens at it.
        self._place = socket.socket()
        self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._place.bind((_HOST, 0))
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        return f"http://{_HOST}:{self._place.getsockname()[1]}"

    @contextmanager
    def running(self) -> Iterator[None]:
        self.listen()
        try:
            yield
        finally:
            self._ending.set()
            self.refuse()
            self._place.close()

    def listen(self) -> None:
        """Takes connections. Once more is as good as once."""
        if self._server is None:
            self._server = _Server(self._place.getsockname(), self._handler())
            Thread(target=self._server.serve_forever, args=(0.05,), name="receiver", daemon=True).start()

    def refuse(self) -> None:
        """Nobody listens any more, and connections that are open end."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        with self._lock:
            connections, self._open = self._open, set()
        for connection in connections:
            with suppress(OSError):  # it had ended by itself
                connection.shutdown(socket.SHUT_RDWR)

    def snapshot(self) -> list[Arrival]:
        with self._lock:
            return [*self.arrivals]

    def failures(self) -> dict[str, int]:
        """How often it failed in which way."""
        return dict(sorted(Counter(each.answer for each in self.snapshot() if not each.taken).items()))

    def _take(self, path: str, headers: Any, body: bytes) -> str:
        """Keeps the request, and says what becomes of it."""
        with self._lock:
            answer = self.mood or self._random.choices([*_ANSWERS], [*_ANSWERS.values()])[0]
            if path != f"/{MAIN}" and not self.patient and self._random.random() < _GONE:
                answer = "410"
            said = [headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")]
            self.arrivals.append(
                Arrival(
                    said[0], body, path=path, timestamp=said[1], signatures=said[2], at=datetime.now(UTC), answer=answer
                )
            )
            return answer

    def _pause(self, seconds: float) -> None:
        self._ending.wait(seconds)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if len(body) < int(self.headers["Content-Length"]):
                    self.close_connection = True
                    return  # the sender was killed in the middle
                self._answer(receiver._take(self.path, self.headers, body))

            def _answer(self, how: str) -> None:
                match how:
                    case "taken":
                        self._say(204)
                    case "slow":
                        receiver._pause(TIMEOUT_S / 4)
                        self._say(200, b'{"slow": true}')
                    case "500" | "410":
                        self._say(int(how), b"no")
                    case "503":
                        self._say(503, b"later", {"Retry-After": "1"})
                    case "302":
                        self._say(302, b"", {"Location": f"{receiver.url}/elsewhere"})
                    case "garbage":
                        self._end(b"\x00\x01 HTTP/9 what\r\n\r\n")
                    case "reset":
                        head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome"
                        self._end(head, reset=True)
                    case "lost":
                        self._end(b"")
                    case "drip":
                        for byte in b"HTTP/1.1 200 OK\r\nConten":
                            self.wfile.write(bytes([byte]))
                            receiver._pause(TIMEOUT_S / 10)
                        self._end(b"")
                    case "late":
                        receiver._pause(TIMEOUT_S + 1)
                        self._end(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

            def _say(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _end(self, said: bytes, *, reset: bool = False) -> None:
                self.wfile.write(said)
                self.close_connection = True
                if reset:
                    receiver._pause(0.05)  # or what was said is thrown away, too
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                    self.connection.close()

            def handle(self) -> None:
                with receiver._lock:
                    receiver._open.add(self.connection)
                try:
                    with suppress(OSError):  # whoever sent did not wait, or was killed
                        super().handle()
                finally:
                    with receiver._lock:
                        receiver._open.discard(self.connection)

            def finish(self) -> None:
                with suppress(OSError):
                    super().finish()

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing: what came is kept."""

        return Handler
