"""Whether the door can do its work: the broker takes connections, and the database has this version's tables."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Final

from anyio.to_thread import run_sync

_HOLDS_S: Final = 1.0  # however often it is asked, the servers are looked at once a second


class Readiness:
    """`checks`: by name; each blocks for a bounded time and raises when something is wrong."""

    def __init__(self, checks: dict[str, Callable[[], None]]) -> None:
        self._checks = checks
        self._lock = asyncio.Lock()
        self._found: dict[str, str] = {}
        self._looked_at = -_HOLDS_S

    async def troubles(self) -> dict[str, str]:
        """What is wrong, by what; empty when nothing is."""
        async with self._lock:
            if monotonic() - self._looked_at >= _HOLDS_S:
                said = await asyncio.gather(*(run_sync(_trouble, check) for check in self._checks.values()))
                self._found = {name: text for name, text in zip(self._checks, said, strict=True) if text}
                self._looked_at = monotonic()
            return self._found


def _trouble(check: Callable[[], None]) -> str:
    try:
        check()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is why this is not ready
        # The kind alone: texts of drivers repeat addresses and users, and this is shown to whoever asks.
        return type(error).__name__
    return ""
