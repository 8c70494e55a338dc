"""What a publisher in asyncio gets for a job."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

from balance_client.aio.answers import Answers
from balance_client.aio.home import CLOSED
from balance_client.publishing.handles import Outcome, PublishedJob
from balance_client.publishing.job_message import JobMessage
from balance_client.publishing.result_reader import Text


class AsyncJobHandle(PublishedJob):
    """A published job: `await handle`, or `await handle.get(timeout_s=10)`, as often and by as many tasks as one likes.

    Valid in the event loop that published it, until its client is closed.
    """

    __slots__ = ("_answers", "_problem", "_waiters")

    def __init__(self, job: JobMessage, answers: Answers | None) -> None:
        super().__init__(job)
        self._answers = answers
        self._problem: Exception | None = None
        self._waiters: list[asyncio.Future[None]] = []
        if answers is not None:
            answers.expect(self)

    def __await__(self) -> Generator[Any, None, Outcome]:
        """The outcome, whenever it comes. An answer can be lost: bound it, or use `get`."""
        return self.get().__await__()

    async def get(self, timeout_s: float | None = None) -> Outcome:
        """Waits for the outcome, at most so many seconds; with 0 it looks once, with None there is no limit.

        Raises OutcomeTimeout (also while the result backend cannot be reached, or has what is no answer to this job),
        JobParked, and RuntimeError when no result was asked for, the client is closed, or belongs to another event
        loop or process. A refusal is an outcome, not an exception. Cancelled, it leaves nothing behind.
        """
        if (outcome := self._answered()) is not None:
            return outcome
        if self._answers is None:
            raise self._unasked()
        if timeout_s is not None and timeout_s <= 0:
            await self._answers.look(self)
        else:
            await self._wait(self._answers, timeout_s)
        if (outcome := self._answered()) is not None:
            return outcome
        assert timeout_s is not None
        raise self._timeout(timeout_s, self._problem) from self._problem

    async def _wait(self, answers: Answers, timeout_s: float | None) -> None:
        """Returns when there is an answer, or the time is up."""
        answers.follow(self)
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        self._waiters.append(waiter)
        timer = None if timeout_s is None else loop.call_later(timeout_s, _wake, waiter)
        try:
            await waiter
        finally:
            if timer is not None:
                timer.cancel()
            self._waiters.remove(waiter)
            if not self._waiters:
                answers.leave(self)

    def offer(self, text: Text | Exception) -> None:
        """What was read of this job, or why nothing could be."""
        self._problem = text if isinstance(text, Exception) else self._settle(text) or self._problem
        if self._answer is not None:
            for each in self._waiters:
                _wake(each)

    def end(self) -> None:
        """The client is closed."""
        for each in self._waiters:
            if not each.done():
                each.set_exception(RuntimeError(CLOSED))


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
