"""A TCP proxy in front of a broker that fails at a chosen step between the worker and the server."""

import contextlib
import selectors
import socket
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Final, Literal, Self
from urllib.parse import urlsplit, urlunsplit

_NOTHING: Final = (b"_\r\n", b"*-1\r\n", b"$-1\r\n")  # how a server says that a blocking call timed out
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


class _Pair:
    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self.near, self.far = near, far
        self.asked = b""  # the last request


class Proxy:
    """Passes bytes between clients of `url` and the server at `server_url`, until a fault strikes."""

    def __init__(self, server_url: str) -> None:
        server = urlsplit(server_url)
        self._server = (server.hostname or "127.0.0.1", server.port or 6379)
        self._listener = socket.create_server(("127.0.0.1", 0))
        user_info, at, _ = server.netloc.rpartition("@")
        port = self._listener.getsockname()[1]
        self.url = urlunsplit(server._replace(netloc=f"{user_info}{at}127.0.0.1:{port}"))
        self._selector = selectors.DefaultSelector()
        self._pairs: set[_Pair] = set()
        self._lock = Lock()
        self._fault: Fault | None = None
        self._stopping = Event()
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        with self._lock:
            for pair in [*self._pairs]:
                self._close(pair)
            self._listener.close()
            self._selector.close()

    def arm(self, fault: Fault) -> Fault:
        with self._lock:
            self._fault = fault
        return fault

    def go_silent(self) -> None:
        """All connections stay open and nothing passes any more, in either direction. New ones work."""
        with self._lock:
            for pair in self._pairs:
                self._silence(pair)

    def _run(self) -> None:
        while not self._stopping.is_set():
            for key, _ in self._selector.select(0.05):
                with self._lock:
                    if key.data is None:
                        self._accept()
                    elif key.data in self._pairs:
                        self._pass(key.data, key.fileobj)

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        pair = _Pair(near, socket.create_connection(self._server))
        self._pairs.add(pair)
        for side in (pair.near, pair.far):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(side, selectors.EVENT_READ, pair)

    def _pass(self, pair: _Pair, side: object) -> None:
        source, target = (pair.near, pair.far) if side is pair.near else (pair.far, pair.near)
        if source.fileno() < 0 or source not in self._selector.get_map():
            return  # silenced or closed by what came before it in this round
        try:
            data = source.recv(_CHUNK)
            if not data:
                self._close(pair)
            elif not self._strikes(pair, data, from_client=source is pair.near):
                target.sendall(data)
        except OSError:
            self._close(pair)

    def _strikes(self, pair: _Pair, data: bytes, *, from_client: bool) -> bool:
        if from_client:
            pair.asked = data
        fault = self._fault
        if fault is None:
            return False
        if fault.at != ("request" if from_client else "answer") or data in _NOTHING:
            return False
        if not all(mark in pair.asked for mark in fault.marks):
            return False
        self._fault = None
        if fault.act == "cut":
            self._close(pair)
        else:
            for each in self._pairs:
                self._silence(each)
        fault.struck.set()
        return True

    def _silence(self, pair: _Pair) -> None:
        for side in (pair.near, pair.far):
            with contextlib.suppress(KeyError):  # silent already
                self._selector.unregister(side)

    def _close(self, pair: _Pair) -> None:
        self._silence(pair)
        self._pairs.discard(pair)
        for side in (pair.near, pair.far):
            side.close()
