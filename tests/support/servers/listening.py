"""A TCP server that says what a test wants it to say, byte by byte."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Final

_PATIENCE_S: Final = 30.0

Speak = Callable[[socket.socket], None]


@contextmanager
def listening(speak: Speak, count: int = 1) -> Iterator[str]:
    """A server's URL; `speak` has each of so many connections, in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            connection, _ = listener.accept()
        except OSError:  # nobody came
            return
        with connection:
            speak(connection)

    threads = [Thread(target=serve, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in threads:
            thread.join(_PATIENCE_S)


def request_of(connection: socket.socket) -> bytes:
    """A whole request with a length; nothing when the other side is done."""
    said = b""
    while b"\r\n\r\n" not in said:
        if not (data := connection.recv(65_536)):
            return b""
        said += data
    head, _, body = said.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while len(body) < int(lengths[0]):
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


def reset(connection: socket.socket) -> None:
    """The connection ends as when a machine crashes: what is on its way is void."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
