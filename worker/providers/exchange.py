"""One request to a payment service and its answer, bounded in time and in size whatever the other side does.

A client that blocks has a limit for each read alone: a server that sends a byte now and then holds a thread for ever.
So requests run on an event loop of their own, where the time for all of it, names looked up and connections made
included, has one end.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Final

import httpx

from worker.outgoing.loop_thread import LoopThread

CONNECT_MAX_S: Final = 5.0


class NoAnswer(Exception):
    """Nothing that can be read came back. The request may have been carried out all the same, whatever the code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code  # not_connected, timed_out, connection_lost, answer_too_large, unreadable_answer, closed


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: httpx.Headers
    body: bytes


class Exchange:
    """Connections to payment services, shared by threads. Belongs to one process: make it after a fork.

    `timeout_s`: seconds that a request may take, all of it. `connections`: as many at once; who finds none free waits
    within its time. `ca`: the PEM file of whom to trust over TLS; None: whom the system trusts. Proxies that the
    environment names are not used, and redirects are not followed: what is sent goes where it was meant to go.
    """

    def __init__(self, *, timeout_s: float, connections: int, answer_bytes_max: int, ca: str | None = None) -> None:
        self._timeout_s, self._answer_bytes_max = timeout_s, answer_bytes_max
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout_s, connect=min(CONNECT_MAX_S, timeout_s)),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            verify=ssl.create_default_context(cafile=ca),
            trust_env=False,
            follow_redirects=False,
            # What is compressed can be small on the wire and large here.
            headers={"Accept-Encoding": "identity", "User-Agent": "balance-worker"},
        )
        self._thread = LoopThread("payments")

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """Asks once. Raises NoAnswer."""
        if self._thread.ended:
            raise NoAnswer("closed")
        asked = asyncio.run_coroutine_threadsafe(self._send(method, url, headers, body), self._thread.loop)
        try:
            return asked.result()
        except CancelledError:
            raise NoAnswer("closed") from None

    def close(self) -> None:
        """Ends what is under way, whose senders get NoAnswer."""
        self._thread.end(self._client.aclose)

    async def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.stream(method, url, headers=dict(headers), content=body) as response,
            ):
                return Answer(response.status_code, response.headers, await self._body(response))
        except (TimeoutError, httpx.TimeoutException):
            raise NoAnswer("timed_out") from None
        except httpx.ConnectError as error:
            raise NoAnswer("not_connected") from error
        except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
            raise NoAnswer("connection_lost") from error

    async def _body(self, response: httpx.Response) -> bytes:
        if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            raise NoAnswer("unreadable_answer")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > self._answer_bytes_max:
                raise NoAnswer("answer_too_large")
        return bytes(body)
