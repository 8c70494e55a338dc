"""Jobs on their way to the broker: whatever waits leaves together, in the order in which it was submitted."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from balance_client.aio.home import CLOSED
from balance_client.publishing.confirmed import ATTEMPTS, NotAccepted, Publisher, pause_s
from balance_client.publishing.job_message import JobMessage

TOGETHER_MAX: Final = 500  # jobs that leave with one wait for the broker


class _Leaving:
    """One job, from when there is room for it until it is known whether the broker has it."""

    __slots__ = ("attempts", "known", "message")

    def __init__(self, message: JobMessage, known: asyncio.Future[None]) -> None:
        self.message = message
        self.known = known
        self.attempts = 0


class Outgoing:
    """The jobs of one loop. One batch is on its way at a time, and what comes meanwhile leaves with the next.

    The broker is spoken to in one thread, by the publisher of the other client, which blocks; all else happens in the
    loop, so that nothing is locked. A batch is what is there: a lone job leaves at once, and jobs that are submitted in
    one turn of the loop leave together.
    """

    def __init__(self, publisher: Publisher, max_waiting: int) -> None:
        if max_waiting < 1:
            raise ValueError(f"max_waiting is {max_waiting}; at least 1 is needed")
        self._publisher = publisher
        self._room = max_waiting  # for so many more jobs
        self._queue: deque[asyncio.Future[None]] = deque()  # who waits for room; what each gets is counted out already
        self._waiting: deque[_Leaving] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="balance-publisher")
        self._turns: asyncio.Task[None] | None = None
        self._closing = False
        self._room_max = max_waiting
        self._idle = asyncio.Event()  # set when it is closing, and nothing is on its way

    async def publish_all(self, messages: Sequence[JobMessage]) -> list[BaseException | None]:
        """For each why the broker does not have it; None: it has. Raises as `enter` does; cancelled, it withdraws."""
        entered: list[asyncio.Future[None]] = []
        try:
            for message in messages:
                known = self.enter(message) if self.has_room() else await self.enter_later(message)
                entered.append(known)
            return [*await asyncio.gather(*entered, return_exceptions=True)]
        finally:
            for known in entered:
                known.cancel()  # interrupted: what has not left is withdrawn

    def has_room(self) -> bool:
        """False: jobs have to wait until others have left, in their order."""
        return self._room > 0 and not self._queue

    def enter(self, message: JobMessage) -> asyncio.Future[None]:
        """Takes a job for which there is room. What it answers gets no value, or NotAccepted.

        Cancelled before the job has left, it withdraws the job. Raises RuntimeError when the client is closed.
        """
        self._room -= 1
        return self._board(message)

    async def enter_later(self, message: JobMessage) -> asyncio.Future[None]:
        """The same, once there is room."""
        room: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(room)
        try:
            await room
        except asyncio.CancelledError:
            if not room.cancelled():
                self._free(1)  # it had come
            raise
        return self._board(message)

    def _board(self, message: JobMessage) -> asyncio.Future[None]:
        if self._closing:
            self._free(1)
            raise RuntimeError(CLOSED)
        known: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Leaving(message, known))
        self._go()
        return known

    def _free(self, number: int) -> None:
        """So many jobs have left, or gave up: there is room for others."""
        self._room += number
        while self._queue and self._room > 0:
            if not (room := self._queue.popleft()).done():
                self._room -= 1
                room.set_result(None)
        if self._closing and self._room == self._room_max:
            self._idle.set()

    def _go(self) -> None:
        if self._turns is None or self._turns.done():
            # A task begins in the next turn of the loop: whoever submits in this one is on board.
            self._turns = asyncio.get_running_loop().create_task(self._take_turns())

    async def _take_turns(self) -> None:
        loop = asyncio.get_running_loop()
        while batch := self._next():
            try:
                await loop.run_in_executor(self._thread, self._send, [each.message for each in batch])
            except NotAccepted as error:
                if away_s := self._not_accepted(batch, error):
                    await asyncio.sleep(away_s)
            except Exception as error:  # noqa: BLE001  # whatever it is, it is for those who wait
                self._settle(batch, error)
            except asyncio.CancelledError:  # the loop is ending
                left = [*batch, *self._waiting]
                self._waiting.clear()
                self._settle(left, RuntimeError("the event loop ended; publish again with the same key"))
                raise
            else:
                self._settle(batch)

    def _next(self) -> list[_Leaving]:
        batch: list[_Leaving] = []
        while self._waiting and len(batch) < TOGETHER_MAX:
            leaving = self._waiting.popleft()
            if leaving.known.cancelled():
                self._free(1)
            else:
                batch.append(leaving)
        return batch

    def _send(self, messages: list[JobMessage]) -> None:
        self._publisher.send_once(self._publisher.addressed(messages))

    def _not_accepted(self, batch: list[_Leaving], error: NotAccepted) -> float:
        """What was refused is tried again beside the others. Seconds that all have to wait, when the broker is away."""
        again: list[_Leaving] = []
        for place, each in enumerate(batch):
            each.attempts += 1
            if error.refused is not None and place not in error.refused:
                self._settle([each])
            elif each.attempts == ATTEMPTS:
                self._settle([each], error)
            else:
                again.append(each)
        if not again:
            return 0
        pause = pause_s(min(each.attempts for each in again))
        if error.refused is None:
            self._waiting.extendleft(reversed(again))
            return pause
        asyncio.get_running_loop().call_later(pause, self._again, again)
        return 0

    def _again(self, refused: list[_Leaving]) -> None:
        self._waiting.extend(refused)
        self._go()

    def _settle(self, left: Sequence[_Leaving], error: Exception | None = None) -> None:
        """What became of them is told to those who want to know: not to who was cancelled."""
        for each in left:
            if each.known.done():
                continue
            if error is None:
                each.known.set_result(None)
            else:
                each.known.set_exception(error)
        self._free(len(left))

    async def finish(self) -> None:
        """Takes no more jobs. Returns when all that were submitted have left or failed."""
        self._closing = True
        if self._room < self._room_max:
            await self._idle.wait()

    async def close(self) -> None:
        """Takes leave of the broker, and ends the thread. Once, after `finish`."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._publisher.close)
        self._thread.shutdown()
