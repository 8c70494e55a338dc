"""The database as pages read it: under a role that cannot write, and off the loop that serves everybody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Final, TypeVar

from sqlalchemy import Connection, Engine

from models.store.connection.session import snapshot
from worker.database import reading_engine
from worker.database_trouble import database_trouble
from worker.settings.settings import Settings

T = TypeVar("T")

_TIMEOUT: Final = "BALANCE_FLOWER_STATEMENT_TIMEOUT_MS"
_LESS: Final = "with a time from which on"


class Away(Exception):
    """The database does not answer, or not with what was asked; the text says why and what to do."""


class Reader:
    """As many readings at once as there are connections; the others wait their turn."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._threads = ThreadPoolExecutor(settings.pool_size, "flower-pages")

    @cached_property
    def _engine(self) -> Engine:
        return reading_engine(self._settings)

    async def read(self, what: Callable[[Connection], T]) -> T:
        """What `what` returns of one moment of the database. Raises Away."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, what)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        if "_engine" in vars(self):
            self._engine.dispose()

    def _read(self, what: Callable[[Connection], T]) -> T:
        try:
            with snapshot(self._engine) as connection:
                return what(connection)
        except Exception as error:
            if (trouble := self._trouble(error)) is None:
                raise
            raise Away(trouble) from error

    def _trouble(self, error: Exception) -> str | None:
        settings = self._settings
        url, variable = settings.flower_database_url, "BALANCE_FLOWER_DATABASE_URL"
        if url is None:
            url, variable = settings.database_url, "BALANCE_DATABASE_URL"
        return database_trouble(error, lambda: url, variable, _TIMEOUT, _LESS)
