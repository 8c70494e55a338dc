"""Tests that are coroutines: each in an event loop of its own, which is looked at when the test is over."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from functools import wraps
from time import monotonic
from typing import Any

TIMEOUT_S = 60


def looped(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Runs it, and fails when it leaves a task or a publisher's thread behind."""

    @wraps(test)
    def run(**fixtures: Any) -> None:
        asyncio.run(_watched(test(**fixtures)))
        assert [each.name for each in threading.enumerate() if each.name.startswith("balance-")] == []

    return run


async def _watched(test: Coroutine[Any, Any, None]) -> None:
    await asyncio.wait_for(test, TIMEOUT_S)
    await asyncio.sleep(0)  # what was told to end does so
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def until(condition: Callable[[], Any], timeout_s: float = 10) -> None:
    """Lets the loop run on until the condition holds."""
    deadline = monotonic() + timeout_s
    while not condition():
        assert monotonic() < deadline, "the condition never came true"
        await asyncio.sleep(0.005)
