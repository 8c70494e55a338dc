"""The queue of the bound: a Redis stream for each part of the accounts, read a batch at a time.

A batch costs one round trip: what is settled is acknowledged with a later read. A process that dies leaves its batch
pending; nothing here takes it over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import redis.asyncio

FIELD: Final = b"job"
GROUP: Final = "workers"
_WAIT_MS: Final = 500


def stream_of(queue: str, part: int) -> str:
    """The name of the stream of one part."""
    return f"{queue}.part{part}"


class Stream:
    """The reader's side. `batch`: messages at a time."""

    def __init__(self, url: str, name: str, batch: int) -> None:
        self._client = redis.asyncio.from_url(url, protocol=2)
        self._name = name
        self._batch = batch
        self._settled: list[bytes] = []

    async def consume(self, settle: Callable[[Sequence[bytes]], Awaitable[None]]) -> None:
        """Hands on one batch after another, and reads the next one while one is settled. Without end."""
        await self._client.xgroup_create(self._name, GROUP, id="0", mkstream=True)
        coming = asyncio.create_task(self._read())
        while True:
            messages = await coming
            coming = asyncio.create_task(self._read())
            if messages:
                await settle([fields[FIELD] for _, fields in messages])
                self._settled += [name for name, _ in messages]

    async def _read(self) -> list[tuple[bytes, dict[bytes, bytes]]]:
        settled, self._settled = self._settled, []
        pipeline = self._client.pipeline(transaction=False)
        if settled:
            pipeline.xack(self._name, GROUP, *settled)
            pipeline.xdel(self._name, *settled)
        pipeline.xreadgroup(GROUP, "bound", {self._name: ">"}, count=self._batch)
        found: Any = (await pipeline.execute())[-1]
        if not found:
            found = await self._client.xreadgroup(GROUP, "bound", {self._name: ">"}, count=self._batch, block=_WAIT_MS)
        return found[0][1] if found else []
