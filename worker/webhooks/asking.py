"""One event to one endpoint, once: within its time, and with a receipt whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

import h11

from models.contracts.wire.travel import TRACEPARENT
from models.domain.webhooks.urls import UnusableUrl, WebhookUrl, webhook_url
from tasks.events.sender import Fate, Receipt, WebhookRequest
from worker.outgoing.signature import signed
from worker.webhooks.answers import Answer, NoAnswer
from worker.webhooks.connection import Connection, Headers
from worker.webhooks.pool import Pool
from worker.webhooks.slots import Slots

# What is compressed can be small on the wire and large here.
_SAID: Final = [
    ("User-Agent", "balance-worker"),
    ("Accept", "*/*"),
    ("Accept-Encoding", "identity"),
    ("Content-Type", "application/json"),
]


class Asker:
    """`timeout_s`: seconds that a request may take, all of it: names looked up and connections made included."""

    def __init__(self, pool: Pool, slots: Slots, *, timeout_s: float, now: Callable[[], datetime]) -> None:
        self._pool, self._slots, self._timeout_s, self._now = pool, slots, timeout_s, now

    async def ask(self, request: WebhookRequest) -> Receipt:
        """Its time begins when there is a slot for it: a crowd is no fault of the endpoint's."""
        try:
            url = webhook_url(request.url)
        except UnusableUrl as unusable:
            return Receipt(Fate.FAILED, unusable.fault.value)
        async with self._slots.taken(url.host):
            return await self._ask(url, request)

    async def _ask(self, url: WebhookUrl, request: WebhookRequest) -> Receipt:
        loop, answer = asyncio.get_running_loop(), Answer()
        began = loop.time()
        try:
            headers = self._headers(url, request)
            async with asyncio.timeout(self._timeout_s):
                await self._heard(url, headers, request.body, answer)
        except TimeoutError:
            return answer.broken("timed_out", loop.time() - began, self._now())
        except NoAnswer as nothing:
            return answer.broken(nothing.code, loop.time() - began, self._now())
        except (h11.LocalProtocolError, ValueError):  # an id that no header can hold, or no key
            return answer.broken("not_sendable", loop.time() - began, self._now())
        return answer.receipt(loop.time() - began, self._now())

    async def _heard(self, url: WebhookUrl, headers: Headers, body: bytes, answer: Answer) -> None:
        kept = self._pool.kept(url)
        if kept is not None:
            try:
                await self._over(kept, url, headers, body, answer)
            except NoAnswer as nothing:
                # It was closed there just as it was used here: the endpoint is well, and has read nothing most likely.
                if nothing.code != "connection_lost" or answer.status is not None:
                    raise
            else:
                return
        await self._over(await self._pool.new(url), url, headers, body, answer)

    async def _over(
        self, connection: Connection, url: WebhookUrl, headers: Headers, body: bytes, answer: Answer
    ) -> None:
        try:
            await connection.ask(url.target, headers, body, answer)
        except BaseException:
            connection.close()
            raise
        self._pool.give_back(url, connection)

    def _headers(self, url: WebhookUrl, request: WebhookRequest) -> Headers:
        signatures = signed(request.keys, request.event_id, self._now(), request.body)
        traced = () if request.traceparent is None else ((TRACEPARENT, request.traceparent),)
        length = ("Content-Length", str(len(request.body)))
        return [("Host", url.authority), *_SAID, length, *signatures.items(), *traced]
