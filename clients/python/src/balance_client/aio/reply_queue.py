"""Results that workers send to a queue of this client's own on RabbitMQ (Celery's rpc:// backend)."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from uuid import uuid4
from weakref import WeakValueDictionary

from kombu import Connection

from balance_client.aio.answers import Answers, Awaited
from balance_client.aio.home import Home
from balance_client.brokers.tls import Tls
from balance_client.publishing.links import discard
from balance_client.publishing.result_reader import Text, broker_connection, broker_errors, consume_replies

_AT_ONCE: Final = 200  # frames that are read before the loop may do something else
_LOOKING_S: Final = 0.01  # for what is on its way when it is looked once


class ReplyQueueAnswers(Answers):
    """One consumer for all. The connection is opened in a thread, as this blocks, and read in the loop."""

    def __init__(self, home: Home, url: str, timeout_s: float, tls: Tls) -> None:
        super().__init__(home, broker_errors(broker_connection(url, timeout_s, tls)))
        self.reply_to = f"balance.replies.{uuid4().hex}"
        self._url, self._timeout_s, self._tls = url, timeout_s, tls
        self._heartbeat_s = max(1, round(timeout_s))  # a connection that is silent for twice as long is given up
        self._expected: WeakValueDictionary[str, Any] = WeakValueDictionary()  # jobs by task id, while they are held
        self._tried = asyncio.Event()  # the broker was reached, or not

    def expect(self, job: Awaited) -> None:
        self._expected[job.task_id] = job

    def _changed(self, task_id: str) -> None:
        pass  # all replies come to one queue

    async def look(self, job: Awaited) -> None:
        self.follow(job)
        try:
            await self._tried.wait()
            await asyncio.sleep(_LOOKING_S)
        finally:
            self.leave(job)

    async def _read(self) -> None:
        opening = asyncio.get_running_loop().run_in_executor(None, self._open)
        try:
            connection = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_discard)
            raise
        finally:
            self._tried.set()
        self._reached()
        try:
            await self._read_from(connection)
        finally:
            discard(connection)

    def _open(self) -> Connection:
        connection = broker_connection(self._url, self._timeout_s, self._tls, self._heartbeat_s)
        consume_replies(connection, self.reply_to, self._keep)
        return connection

    async def _read_from(self, connection: Connection) -> None:
        """Until it fails, which it raises."""
        loop = asyncio.get_running_loop()
        failed: asyncio.Future[None] = loop.create_future()

        def read() -> None:
            try:
                for _ in range(_AT_ONCE):
                    connection.drain_events(timeout=0)
            except TimeoutError:
                return  # that was all
            except self._failures as error:
                loop.remove_reader(descriptor)
                if not failed.done():
                    failed.set_exception(error)
                return
            loop.call_soon(again)  # what TLS has decrypted already makes no descriptor readable

        def again() -> None:
            if not failed.done():
                read()

        wire: Any = connection.connection
        descriptor: int = wire.sock.fileno()
        loop.add_reader(descriptor, read)
        try:
            read()
            while not (await asyncio.wait([failed], timeout=self._heartbeat_s / 2))[0]:
                connection.heartbeat_check()
            failed.result()
        finally:
            failed.cancel()
            loop.remove_reader(descriptor)

    def _keep(self, task_id: str, text: Text) -> None:
        job = self._expected.get(task_id)
        if job is not None:
            job.offer(text)


def _discard(opening: asyncio.Future[Connection]) -> None:
    """What was opened although nobody wants it any more."""
    if opening.exception() is None:
        discard(opening.result())
