"""Where a client of asyncio belongs: to one loop of one process, as its connections do."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any, Final

CLOSED: Final = "the client is closed"
_AGAIN_S: Final = 0.1


class Home:
    """Set at the first use. Anywhere else an answer would be waited for in vain, so that it is an error at once."""

    __slots__ = ("_loop", "_process", "closed")

    def __init__(self) -> None:
        self._process = os.getpid()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.closed = False

    def check(self) -> None:
        """Raises RuntimeError when this is not the place, or the client is closed."""
        if os.getpid() != self._process:
            raise RuntimeError("the client belongs to the process that made it: after a fork, make one of its own")
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        if loop is not self._loop:
            raise RuntimeError("the client belongs to the event loop that used it first: make one for each loop")
        if self.closed:
            raise RuntimeError(CLOSED)


async def end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancels them until they have ended: before Python 3.12 `wait_for`, which redis-py uses, may swallow the first."""
    while outstanding := [each for each in tasks if not each.done()]:
        for each in outstanding:
            each.cancel()
        await asyncio.wait(outstanding, timeout=_AGAIN_S)
