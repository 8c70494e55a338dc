"""The sender of webhooks: many endpoints at once from a thread of its own, each endpoint's events one after another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import structlog

from tasks.events.sender import Fate, Receipt, WebhookRequest
from worker import clock
from worker.outgoing.loop_thread import LoopThread
from worker.webhooks.asking import Asker
from worker.webhooks.dialing import Connect, Dialer, system_connect
from worker.webhooks.pool import Pool
from worker.webhooks.resolving import Resolve, system_resolve
from worker.webhooks.slots import Slots

if TYPE_CHECKING:
    from worker.tracing.tracer import Tracer

_LOG: Final = structlog.get_logger(__name__)


class HttpWebhookSender:
    """Implements tasks.events.sender.WebhookSender. Belongs to one process: make it after a fork.

    `timeout_s`: seconds for one request, all of it. `concurrency` and `per_host`: requests at once, in all and to one
    host; the others wait for their turn. `allow_private`: endpoints may be on this machine and in networks of its own.
    `ca`: a PEM file of whom to trust over TLS in the place of whom the system trusts. Proxies that the environment
    names are not used: what an address was checked for would be another's to connect.
    """

    def __init__(
        self,
        *,
        timeout_s: float = 10.0,
        concurrency: int = 16,
        per_host: int = 8,
        allow_private: bool = False,
        ca: str | None = None,
        resolve: Resolve = system_resolve,
        connect: Connect = system_connect,
        now: Callable[[], datetime] = clock.now,
        tracer: Tracer | None = None,
    ) -> None:
        dialer = Dialer(allow_private=allow_private, timeout_s=timeout_s, ca=ca, resolve=resolve, connect=connect)
        self._pool = Pool(dialer, kept_max=concurrency)
        slots = Slots(total=concurrency, per_host=per_host)
        self._asker = Asker(self._pool, slots, timeout_s=timeout_s, now=now)
        self._tracer = tracer
        self._lock, self._closed = Lock(), False
        self._tasks: set[asyncio.Task[None]] = set()  # a loop holds its tasks weakly
        self._thread = LoopThread("webhooks")

    def submit(self, requests: Sequence[WebhookRequest]) -> Future[list[Receipt]]:
        future: Future[list[Receipt]] = Future()
        future.set_running_or_notify_cancel()  # it is not to be cancelled: what was sent was sent
        with self._lock:
            if self._closed:
                future.set_result([])
            else:
                self._thread.loop.call_soon_threadsafe(self._begin, tuple(requests), future)
        return future

    def close(self) -> None:
        with self._lock:
            self._closed = True
        self._thread.end(self._end)

    def _begin(self, requests: tuple[WebhookRequest, ...], future: Future[list[Receipt]]) -> None:
        receipts: list[Receipt] = []
        task = self._thread.loop.create_task(self._send(requests, receipts))
        self._tasks.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            future.set_result(receipts)

        task.add_done_callback(done)

    async def _send(self, requests: tuple[WebhookRequest, ...], receipts: list[Receipt]) -> None:
        for request in requests:
            try:
                receipt = await self._ask(request)
            except Exception:  # noqa: BLE001 - the future never raises
                # Ours, not the endpoint's; the others go on, and this one is tried again later like any that failed.
                _LOG.exception(
                    "webhook.fault",
                    event_id=request.event_id,
                    next="see what the error says; it is sent again by itself",
                )
                receipt = Receipt(Fate.FAILED, "sender_failed")
            receipts.append(receipt)
            if receipt.fate is not Fate.DELIVERED:
                return

    async def _ask(self, request: WebhookRequest) -> Receipt:
        """With a span of its own, where it is part of a trace: each attempt is told."""
        if self._tracer is None or request.traceparent is None:
            return await self._asker.ask(request)
        about = {"webhook.event_id": request.event_id, "server.address": urlsplit(request.url).hostname or ""}
        span = self._tracer.begin("deliver webhook", "client", request.traceparent, about)
        code = "given_up"
        try:
            receipt = await self._asker.ask(replace(request, traceparent=span.traceparent or request.traceparent))
            code = receipt.code
        finally:
            span.end({"webhook.result": code}, error=None if code.startswith("http_2") else code)
        return receipt

    async def _end(self) -> None:
        self._pool.close()
