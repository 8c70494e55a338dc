"""Results that workers store on Redis and announce: a subscription that grows and shrinks with those who wait."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from itertools import islice
from typing import Any, Final

import redis

from balance_client.aio.answers import Answers, Awaited
from balance_client.aio.home import Home, end
from balance_client.brokers.addresses import redis_address
from balance_client.brokers.tls import Tls

_PREFIX: Final = "celery-task-meta-"  # of keys, and of the channels on which they are announced
_LOOKED_AT: Final = 500  # results that are fetched with one round trip


class RedisAnswers(Answers):
    """Subscribes first and looks then, so that nothing is missed between the two; all that is new by one command."""

    reply_to = ""

    def __init__(self, home: Home, url: str, timeout_s: float, tls: Tls) -> None:
        super().__init__(home, (redis.RedisError, OSError))
        self._server: Any = redis_address(url).loop_client(tls, timeout_s)
        self._ping_s = timeout_s / 2  # a connection on which nothing comes for `timeout_s` is given up
        self._heard = True  # something, since the last ping
        self._changes: dict[str, None] = {}  # task ids, in their order
        self._stirred = asyncio.Event()
        self._subscribed: set[str] = set()
        self._asked: deque[list[str]] = deque()  # subscriptions that are not confirmed yet, by command

    def expect(self, job: Awaited) -> None:
        pass  # the server keeps it

    async def look(self, job: Awaited) -> None:
        self._home.check()
        try:
            text = await self._server.get(_PREFIX + job.task_id)
        except self._failures as error:
            job.offer(error)
        else:
            if text is not None:
                job.offer(text)

    def _changed(self, task_id: str) -> None:
        self._changes[task_id] = None
        self._stirred.set()

    async def _read(self) -> None:
        connection = self._server.connection_pool.make_connection()
        try:
            await connection.connect()
            connection.socket_timeout = None  # a timer for each answer costs as much as reading it: see `_ping`
            self._heard = True
            self._subscribed.clear()
            self._asked.clear()
            self._changes = dict.fromkeys(self._waiting)
            self._stirred.set()
            self._reached()
            ways = (self._subscribe(connection), self._receive(connection), self._ping(connection))
            tasks = [asyncio.ensure_future(each) for each in ways]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            finally:
                await end(tasks)
            raise next(error for each in tasks if not each.cancelled() and (error := each.exception()))
        finally:
            await connection.disconnect(nowait=True)
            await self._drop()

    async def _subscribe(self, connection: Any) -> None:
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            changes, self._changes = self._changes, {}
            gone = [each for each in changes if each in self._subscribed and each not in self._waiting]
            new = [each for each in changes if each not in self._subscribed and each in self._waiting]
            self._subscribed.difference_update(gone)
            self._subscribed.update(new)
            if gone:
                await self._send(connection, "UNSUBSCRIBE", *(_PREFIX + each for each in gone))
            if new:
                self._asked.append(new)
                await self._send(connection, "SUBSCRIBE", *(_PREFIX + each for each in new))

    async def _receive(self, connection: Any) -> None:
        confirmed = 0  # of the oldest command
        while True:
            answer = await connection.read_response()
            self._heard = True
            if not isinstance(answer, list):
                continue  # a pong
            if answer[0] == b"message":
                job = self._waiting.get(answer[1].decode().removeprefix(_PREFIX))
                if job is not None:
                    job.offer(answer[2])
            elif answer[0] == b"subscribe":
                confirmed += 1
                if confirmed == len(self._asked[0]):
                    confirmed = 0
                    await self._look_at(self._asked.popleft())

    async def _look_at(self, task_ids: list[str]) -> None:
        """What was stored before the subscription began."""
        jobs = iter([each for each in map(self._waiting.get, task_ids) if each is not None])
        while some := [*islice(jobs, _LOOKED_AT)]:
            async with self._server.pipeline(transaction=False) as pipeline:
                for each in some:
                    pipeline.get(_PREFIX + each.task_id)
                texts = await pipeline.execute()
            for each, text in zip(some, texts, strict=True):
                if text is not None:
                    each.offer(text)

    async def _ping(self, connection: Any) -> None:
        while True:
            await asyncio.sleep(self._ping_s)
            if not self._heard:
                raise redis.TimeoutError(f"no answer to a ping within {self._ping_s} s")
            self._heard = False
            await self._send(connection, "PING")

    async def _send(self, connection: Any, *command: str) -> None:
        await connection.send_command(*command, check_health=False)  # which would read the answer itself

    async def close(self) -> None:
        await super().close()
        await self._drop()

    async def _drop(self) -> None:
        """The connections on which results are looked at: whatever befell the subscription befell them."""
        with contextlib.suppress(*self._failures):  # nothing is asked on them now
            await self._server.connection_pool.disconnect()
