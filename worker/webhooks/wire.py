"""The bytes of one connection, and how much of them is held: a receiver that sends without end is not read on."""

from __future__ import annotations

import asyncio
import select
from typing import Final, cast

_HELD_MAX: Final = 16_384


class Wire(asyncio.Protocol):
    """A connection that is made. `read` has one reader at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._held = bytearray()
        self._ended, self._paused = False, False
        self._fault: Exception | None = None
        self._arrival: asyncio.Future[None] | None = None

    @property
    def silent(self) -> bool:
        """It is open, and nothing was said on it that nobody has read, not even a moment ago."""
        if self._ended or self._held or self._transport is None:
            return False
        arriving = select.poll()
        arriving.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not arriving.poll(0)

    def write(self, data: bytes) -> None:
        """Not waited for: an answer may come before the other side has read everything."""
        assert self._transport is not None
        self._transport.write(data)

    async def read(self) -> bytes:
        """What has come; nothing: the other side is done. Raises OSError when the connection broke."""
        while not self._held and not self._ended:
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        if not self._held and self._fault is not None:
            raise self._fault
        read = bytes(self._held)
        self._held.clear()
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return read

    def abort(self) -> None:
        """Closed at once, whatever was to be written or read."""
        self._ended = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._held += data
        if len(self._held) > _HELD_MAX and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended, self._fault = True, self._fault or exc
        self._wake()

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)
