"""An event loop in a thread of its own: what threads ask for runs there, and can be given up at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from threading import Thread


class LoopThread:
    """Belongs to one process: make it after a fork."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = Thread(target=self.loop.run_forever, name=name, daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        return self.loop.is_closed()

    def end(self, last: Callable[[], Awaitable[None]]) -> None:
        """Gives up what is under way, awaits `last`, and stops."""
        if self.ended:
            return
        asyncio.run_coroutine_threadsafe(_end(last), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


async def _end(last: Callable[[], Awaitable[None]]) -> None:
    under_way = asyncio.all_tasks() - {asyncio.current_task()}
    for task in under_way:
        task.cancel()
    await asyncio.gather(*under_way, return_exceptions=True)
    await last()
