"""How many requests are under way at once: in all, and to one host, so that a slow one leaves room for the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class _Host:
    def __init__(self, at_once: int) -> None:
        self.free = asyncio.Semaphore(at_once)
        self.interested = 0


class Slots:
    """`total`, and `per_host`: requests at once."""

    def __init__(self, *, total: int, per_host: int) -> None:
        self._free = asyncio.Semaphore(total)
        self._per_host = per_host
        self._hosts: dict[str, _Host] = {}

    @asynccontextmanager
    async def taken(self, host: str) -> AsyncIterator[None]:
        """While the block runs."""
        known = self._hosts.setdefault(host, _Host(self._per_host))
        known.interested += 1
        try:
            async with known.free, self._free:  # who waits for a host holds nothing of the others'
                yield
        finally:
            known.interested -= 1
            if not known.interested:
                del self._hosts[host]
