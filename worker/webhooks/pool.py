"""Connections that are kept for the next request to the same place, for a short while and not too many."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final

from models.domain.webhooks.urls import WebhookUrl
from worker.webhooks.connection import Connection
from worker.webhooks.dialing import Dialer

IDLE_MAX_S: Final = 15.0
AGE_MAX_S: Final = 60.0  # then its name is looked up again: endpoints move

_Place = tuple[str, str, int]


class Pool:
    """`kept_max`: connections that wait for a next request, in all; of too many the longest idle is closed."""

    def __init__(self, dialer: Dialer, *, kept_max: int) -> None:
        self._dialer, self._kept_max = dialer, kept_max
        self._kept: OrderedDict[Connection, tuple[_Place, asyncio.TimerHandle]] = OrderedDict()
        self._by_place: dict[_Place, list[Connection]] = {}

    def kept(self, url: WebhookUrl) -> Connection | None:
        """One that is there, taken out of it."""
        while waiting := self._by_place.get(_place(url)):
            connection = waiting[-1]
            self._forget(connection)
            if connection.usable:
                return connection
            connection.close()
        return None

    async def new(self, url: WebhookUrl) -> Connection:
        """Raises NoAnswer."""
        return await self._dialer.dial(url)

    def give_back(self, url: WebhookUrl, connection: Connection) -> None:
        """Kept, or closed."""
        loop = asyncio.get_running_loop()
        left_s = connection.born + AGE_MAX_S - loop.time()
        if not connection.usable or left_s <= 0:
            connection.close()
            return
        timer = loop.call_later(min(IDLE_MAX_S, left_s), self._drop, connection)
        self._kept[connection] = (_place(url), timer)
        self._by_place.setdefault(_place(url), []).append(connection)
        if len(self._kept) > self._kept_max:
            self._drop(next(iter(self._kept)))

    def close(self) -> None:
        for connection in [*self._kept]:
            self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        self._forget(connection)
        connection.close()

    def _forget(self, connection: Connection) -> None:
        place, timer = self._kept.pop(connection)
        timer.cancel()
        waiting = self._by_place[place]
        waiting.remove(connection)
        if not waiting:
            del self._by_place[place]


def _place(url: WebhookUrl) -> _Place:
    return url.scheme, url.host, url.port
