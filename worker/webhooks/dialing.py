"""How a connection to an endpoint is made: its name looked up, each address checked, and one of those connected to.

The check and the connection have the same address. Between two lookups a name can come to stand for this machine.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Final

from models.domain.webhooks.addresses import Address, address, may_be_reached
from models.domain.webhooks.urls import WebhookUrl
from worker.webhooks.answers import NoAnswer
from worker.webhooks.connection import Connection
from worker.webhooks.resolving import Resolve, system_resolve
from worker.webhooks.wire import Wire

_TRIED_MAX: Final = 6  # addresses of one name

Connect = Callable[[Address, int], Awaitable[socket.socket]]
"""A socket that is connected to this address, and does not block. Raises OSError."""


async def system_connect(to: Address, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET if to.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, (str(to), port))
    except BaseException:
        made.close()
        raise
    return made


class Dialer:
    """`timeout_s`: shared by the addresses of a name, so that one that is dead leaves time for the next.

    `ca`: a PEM file of whom to trust over TLS in the place of whom the system trusts.
    """

    def __init__(
        self,
        *,
        allow_private: bool,
        timeout_s: float,
        ca: str | None = None,
        resolve: Resolve = system_resolve,
        connect: Connect = system_connect,
    ) -> None:
        self._allow_private, self._timeout_s = allow_private, timeout_s
        self._resolve, self._connect = resolve, connect
        self._tls = ssl.create_default_context(cafile=ca)
        self._tls.set_alpn_protocols(["http/1.1"])

    async def dial(self, url: WebhookUrl) -> Connection:
        """Raises NoAnswer: name_unknown, address_refused, not_connected, tls_failed."""
        made = await self._connected(await self._addresses(url), url.port)
        loop = asyncio.get_running_loop()
        secure = url.scheme == "https"
        # The certificate is to name the host, which an address that was looked up does not prove.
        name = url.host.removesuffix(".") if secure else None
        try:
            _, wire = await loop.create_connection(
                Wire, sock=made, ssl=self._tls if secure else None, server_hostname=name
            )
        except (OSError, ValueError) as error:  # ValueError: a name that no certificate can have
            made.close()
            raise NoAnswer("tls_failed" if secure else "not_connected") from error
        except BaseException:
            made.close()
            raise
        return Connection(wire, loop.time())

    async def _addresses(self, url: WebhookUrl) -> list[Address]:
        """Those that may be reached."""
        try:
            texts = [url.host] if address(url.host) else await self._resolve(url.host, url.port)
        except (OSError, UnicodeError) as error:
            raise NoAnswer("name_unknown") from error
        if not texts:
            raise NoAnswer("name_unknown")
        # Once each: a resolver may repeat itself.
        found = dict.fromkeys(each for each in map(address, texts) if each is not None)
        reachable = [each for each in found if may_be_reached(each, allow_private=self._allow_private)]
        if not reachable:
            raise NoAnswer("address_refused")
        return reachable[:_TRIED_MAX]

    async def _connected(self, addresses: list[Address], port: int) -> socket.socket:
        *others, last = addresses
        for each in others:
            try:
                async with asyncio.timeout(self._timeout_s / len(addresses)):
                    return await self._connect(each, port)
            except OSError:  # TimeoutError is one
                continue
        try:
            return await self._connect(last, port)
        except OSError as error:
            raise NoAnswer("not_connected") from error
