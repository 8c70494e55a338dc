"""Answers as they come in: what both ways to them have in common."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Final, Protocol

from balance_client.aio.home import Home, end
from balance_client.publishing.result_reader import Text

PAUSE_S: Final = 0.2  # between two attempts to reach a backend that is away


class Awaited(Protocol):
    """A job whose answer somebody may wait for."""

    task_id: str

    def offer(self, text: Text | Exception) -> None:
        """A state of the task, as JSON, or why there is none to be had now."""

    def end(self) -> None:
        """The client is closed: no more will come."""


class Answers(ABC):
    """One loop's way to Celery's results, over one subscription for all of them. It begins when somebody waits."""

    reply_to: str  # the queue to which the worker shall send them; empty when it stores them

    def __init__(self, home: Home, failures: tuple[type[Exception], ...]) -> None:
        self._home = home
        self._failures = failures  # of a backend that is away, or refuses
        self._waiting: dict[str, Awaited] = {}  # by task id
        self._trouble: Exception | None = None  # why the backend was not reached, until it is
        self._reading: asyncio.Task[None] | None = None

    @abstractmethod
    def expect(self, job: Awaited) -> None:
        """Before it is published."""

    @abstractmethod
    async def look(self, job: Awaited) -> None:
        """Offers what there is, once."""

    @abstractmethod
    async def _read(self) -> None:
        """Offers answers for as long as one connection works. Calls `_reached`; raises one of the failures."""

    def follow(self, job: Awaited) -> None:
        """Offers what there is and what comes, until it is left. Raises RuntimeError where `Home.check` does."""
        self._home.check()
        self._waiting[job.task_id] = job
        if self._trouble is not None:
            job.offer(self._trouble)
        if self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._keep_reading())
        self._changed(job.task_id)

    def leave(self, job: Awaited) -> None:
        """Nobody waits for it now."""
        if self._waiting.pop(job.task_id, None) is not None:
            self._changed(job.task_id)

    @abstractmethod
    def _changed(self, task_id: str) -> None:
        """It is waited for from now on, or no longer."""

    def _reached(self) -> None:
        self._trouble = None

    async def _keep_reading(self) -> None:
        while True:
            try:
                await self._read()
            except self._failures as error:
                self._trouble = error
                for each in [*self._waiting.values()]:
                    each.offer(error)
                await asyncio.sleep(PAUSE_S)

    async def close(self) -> None:
        """Ends the connection, and all waiting."""
        if self._reading is not None:
            await end([self._reading])
        for each in [*self._waiting.values()]:
            each.end()
