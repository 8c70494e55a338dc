"""A TCP proxy in front of a server: a network that a test can cut, delay, silence, or break at a chosen step."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Final, Literal, Self
from urllib.parse import urlsplit, urlunsplit

_NOTHING: Final = (b"_\r\n", b"*-1\r\n", b"$-1\r\n")  # how a Redis server says that a blocking call timed out
_CHUNK: Final = 1 << 20


@dataclass
class Fault:
    """Strikes once, at the first request with all `marks` in it, or at what the server answers to it.

    `hold`: nothing passes any more, on any connection. `cut`: this connection ends on both sides. What it strikes at
    is not passed on; of an answer the server has done all of what it was asked.
    """

    marks: tuple[bytes, ...]
    at: Literal["request", "answer"]
    act: Literal["hold", "cut"]
    struck: Event = field(default_factory=Event)


class _Link:
    """A client's connection and ours to the server, on its behalf."""

    def __init__(self, near: socket.socket, far: socket.socket, *, silent: bool) -> None:
        self.near, self.far = near, far
        self.asked = b""  # the last request
        self.passing, self.closed = Event(), Event()
        if not silent:
            self.passing.set()

    def close(self) -> None:
        self.closed.set()
        self.passing.set()
        for side in (self.near, self.far):
            with contextlib.suppress(OSError):  # it had ended by itself
                side.shutdown(socket.SHUT_RDWR)
            side.close()


class Proxy:
    """Passes bytes between clients of `url` and the server at `server_url`, until it is told otherwise."""

    def __init__(self, server_url: str) -> None:
        server = urlsplit(server_url)
        self.move(server_url)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        user_info, at, _ = server.netloc.rpartition("@")
        self.port: int = self._listener.getsockname()[1]
        self.url = urlunsplit(server._replace(netloc=f"{user_info}{at}127.0.0.1:{self.port}"))
        self.delay_s = 0.0  # by which every chunk is held up, in both directions
        self._links: set[_Link] = set()
        self._lock = Lock()
        self._fault: Fault | None = None
        self._mode: Literal["open", "refusing", "silent"] = "open"
        self._stopping = Event()
        self._thread = Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._thread.join()
        self._listener.close()
        self.cut()

    def move(self, server_url: str) -> None:
        """From now on new connections lead there. Those that are open stay where they are."""
        server = urlsplit(server_url)
        default = 5432 if server.scheme.startswith("postgresql") else 5672 if server.scheme == "amqp" else 6379
        self._server = (server.hostname or "127.0.0.1", server.port or default)

    def arm(self, fault: Fault) -> Fault:
        with self._lock:
            self._fault = fault
        return fault

    def cut(self) -> None:
        """Every connection that is open ends, on both sides. New ones work."""
        with self._lock:
            links, self._links = self._links, set()
        for link in links:
            link.close()

    def refuse(self) -> None:
        """Cuts, and lets nobody in until `heal`."""
        self._mode = "refusing"
        self.cut()

    def go_silent(self, *, for_all: bool = False) -> None:
        """All connections stay open and nothing passes any more, in either direction. New ones work, unless `for_all`.

        Not even their end passes: neither side learns that the other is gone.
        """
        with self._lock:
            if for_all:
                self._mode = "silent"
            for link in self._links:
                link.passing.clear()

    def heal(self) -> None:
        """Everything passes again, what was held up first."""
        with self._lock:
            self._mode, self.delay_s = "open", 0.0
            for link in self._links:
                link.passing.set()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                near, _ = self._listener.accept()
            except OSError:
                continue  # the listener was shut down, or the client is gone already
            try:
                far = socket.create_connection(self._server, timeout=5)
                far.settimeout(None)
            except OSError:
                near.close()  # nobody is there, and the client learns it
                continue
            for side in (near, far):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open(near, far)

    def _open(self, near: socket.socket, far: socket.socket) -> None:
        with self._lock:
            link = _Link(near, far, silent=self._mode == "silent")
            if self._mode == "refusing":
                link.close()
                return
            self._links.add(link)
        for from_client in (True, False):
            Thread(target=self._forward, args=(link, from_client), daemon=True).start()

    def _forward(self, link: _Link, from_client: bool) -> None:
        source, sink = (link.near, link.far) if from_client else (link.far, link.near)
        with contextlib.suppress(OSError):  # how a connection ends: either side is gone
            while not link.closed.is_set():
                data = source.recv(_CHUNK)
                struck = bool(data) and self._strikes(link, data, from_client=from_client)
                link.passing.wait()
                if not data or link.closed.is_set():
                    break
                if self.delay_s:
                    self._stopping.wait(self.delay_s)
                if not struck:
                    sink.sendall(data)
        link.close()
        with self._lock:
            self._links.discard(link)

    def _strikes(self, link: _Link, data: bytes, *, from_client: bool) -> bool:
        with self._lock:
            if from_client:
                link.asked = data
            fault = self._fault
            if fault is None or fault.at != ("request" if from_client else "answer") or data in _NOTHING:
                return False
            if not all(mark in link.asked for mark in fault.marks):
                return False
            self._fault = None
            if fault.act == "hold":
                for each in self._links:
                    each.passing.clear()
        if fault.act == "cut":
            link.close()
        fault.struck.set()
        return True
