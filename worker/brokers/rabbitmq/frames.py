"""Frames out of a socket by the batch: what has arrived is read at once, and cut up here.

py-amqp asks the system for the seven bytes of a frame's head, for its payload and for its last byte, and sets the
socket's timeout anew for each frame: with three frames to a message that is a third of what a job costs on RabbitMQ.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EAGAIN, EINTR, ENOENT, EWOULDBLOCK
from struct import Struct
from typing import Any, Final

from amqp import transport as stock
from amqp.exceptions import UnexpectedFrame

Frame = tuple[int, int, bytes]
"""Type, channel, payload."""

_HEAD: Final = Struct(">BHI")  # type, channel, size of the payload
_END: Final = 0xCE
_AT_ONCE: Final = 65_536  # bytes
_NOT_NOW: Final = frozenset({EAGAIN, EINTR, ENOENT, EWOULDBLOCK})  # ENOENT: what TLS says
_stock: Any = stock  # its stubs leave out what is built on here


class _Buffered:
    """Of a transport: `_read_buffer` is what has arrived, `_at` how much of it was cut off."""

    _quick_recv: Any
    _read_buffer: bytes
    connected: bool
    _at = 0
    _held: list[bytes] | None = None  # what is to be written later

    def read_frame(self) -> Frame:
        """The next frame. TimeoutError when it is not here in time: what there is of it is kept."""
        while (frame := self.frame_here()) is None:
            self._receive()
        return frame

    def frame_here(self) -> Frame | None:
        """The next frame, if all of it has arrived."""
        start, buffer = self._at, self._read_buffer
        if len(buffer) - start < _HEAD.size:
            return None
        kind, channel, size = _HEAD.unpack_from(buffer, start)
        end = start + _HEAD.size + size
        if len(buffer) <= end:
            return None
        if buffer[end] != _END:
            raise UnexpectedFrame(f"a frame ends with {buffer[end]:#04x}, not with {_END:#04x}")
        self._at = end + 1
        return kind, channel, buffer[start + _HEAD.size : end]

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """What is written in the block goes out as one, at its end, whatever ends it. Raises OSError then."""
        held: list[bytes] = []
        self._held = held
        try:
            yield
        finally:
            self._held = None
            if held:
                self.write(b"".join(held))

    def write(self, frame: bytes) -> None:
        if self._held is None:
            super().write(frame)  # type: ignore[misc]  # of the transport
        else:
            self._held.append(bytes(frame))  # the writer uses its memory again

    def _receive(self) -> None:
        try:
            received = self._quick_recv(_AT_ONCE)
        except TimeoutError:
            raise
        except OSError as error:
            if error.errno in _NOT_NOW or "timed out" in str(error):
                raise TimeoutError(str(error)) from error
            self.connected = False
            raise
        if not received:
            self.connected = False
            raise OSError("RabbitMQ closed the connection")
        self._read_buffer, self._at = self._read_buffer[self._at :] + received, 0


class TcpTransport(_Buffered, _stock.TCPTransport):  # type: ignore[misc]  # Any, see _stock
    """py-amqp's over TCP."""


class TlsTransport(_Buffered, _stock.SSLTransport):  # type: ignore[misc]  # Any, see _stock
    """The same over TLS."""
