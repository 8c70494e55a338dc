"""How the deployment stands, asked anew no more often than every few seconds, however often a page is loaded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Final, Generic, TypeVar

from celery import Celery

from worker.database_trouble import database_trouble
from worker.doctor.examination import examine
from worker.doctor.finding import Finding
from worker.encoding.urls import SecretUrl
from worker.settings.settings import Settings
from worker.top.broker_look import BrokerLook, BrokerNow, trouble_of
from worker.top.ledger_look import LedgerLook, LedgerNow
from worker.top.looking import Look, Looking, Seen

T = TypeVar("T")

FRESH_S: Final = 10.0
"""What was found so many seconds ago is shown again."""
WAITS_S: Final = 8.0
"""For an answer; a page that has waited so long shows what there is. It comes with a later one."""
_ANSWER_S: Final = 2.0  # that workers have, for the doctor


@dataclass(frozen=True, slots=True)
class Health:
    """What each source said last; None: it has not answered yet."""

    findings: Seen[list[Finding]] | None
    ledger: Seen[LedgerNow] | None
    broker: Seen[BrokerNow] | None


class Watch:
    """Each source is asked in a thread of its own, by one page for all: one that is away keeps no other waiting."""

    def __init__(self, app: Celery, settings: Settings) -> None:
        ledger = LedgerLook(_reading(settings))
        self._findings = _Source(_Examination(app, settings), lambda error: f"{type(error).__name__}: {error}")
        self._ledger = _Source(ledger, partial(_of_database, settings))
        self._broker = _Source(BrokerLook(app, settings), lambda error: trouble_of(error, settings))

    async def now(self, wait_s: float = WAITS_S) -> Health:
        return Health(
            *await asyncio.gather(self._findings.now(wait_s), self._ledger.now(wait_s), self._broker.now(wait_s))
        )

    def close(self) -> None:
        for source in (self._findings, self._ledger, self._broker):
            source.close()


class _Source(Looking[T], Generic[T]):
    """Belongs to one loop."""

    def __init__(self, look: Look[T], say: Callable[[Exception], str]) -> None:
        super().__init__(look, say)
        self._thread = ThreadPoolExecutor(1, "flower-health")
        self._asking: Future[Seen[T]] | None = None

    async def now(self, wait_s: float) -> Seen[T] | None:
        """What it says; what it said before, when it takes longer than `wait_s`."""
        if self.seen is None or monotonic() - self.seen.at > FRESH_S:
            if self._asking is None or self._asking.done():
                self._asking = self._thread.submit(self.once)
            await asyncio.wait([asyncio.wrap_future(self._asking)], timeout=wait_s)
        return self.seen

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


class _Examination:
    """What `balance-worker doctor` finds."""

    def __init__(self, app: Celery, settings: Settings) -> None:
        self._app, self._settings = app, settings

    def look(self) -> list[Finding]:
        return [*examine(self._app, self._settings, _ANSWER_S)]

    def close(self) -> None:
        """It keeps nothing open."""


def _reading(settings: Settings) -> Settings:
    """The same, with the database as the role that only reads."""
    if settings.flower_database_url is None:
        return settings
    return settings.model_copy(update={"database_url": SecretUrl(settings.flower_database_url)})


def _of_database(settings: Settings, error: Exception) -> str:
    url = settings.flower_database_url
    variable = "BALANCE_DATABASE_URL" if url is None else "BALANCE_FLOWER_DATABASE_URL"
    known = database_trouble(error, lambda: url or settings.database_url, variable)
    return known or f"{type(error).__name__}: {error}"
