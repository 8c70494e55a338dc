"""Names looked up, by the system's own resolver."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from threading import Thread

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""A host and a port: its addresses as text, the best first. Raises OSError or UnicodeError for a name of nobody."""


async def system_resolve(host: str, port: int) -> list[str]:
    """In a thread for each name: a resolver that hangs holds up neither other names nor the end of the process."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def look_up() -> None:
        addresses, fault = list[str](), None
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = [str(place[0]) for *_, place in answers]
        except (OSError, UnicodeError) as error:
            fault = error
        with suppress(RuntimeError):  # nobody waits any more, and the loop is closed
            loop.call_soon_threadsafe(_tell, found, addresses, fault)

    Thread(target=look_up, name="webhooks-resolving", daemon=True).start()
    return await found


def _tell(found: asyncio.Future[list[str]], addresses: list[str], fault: Exception | None) -> None:
    if found.done():
        return
    if fault is None:
        found.set_result(addresses)
    else:
        found.set_exception(fault)
