"""What the database says of this moment: bounded reads through indexes, however large the ledger is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Engine

from models.store.connection.session import snapshot
from models.store.read.activity.dead_letters import ParkedLetters, parked_letters
from models.store.read.activity.jobs import JobsLately, jobs_lately
from models.store.read.charges import ChargingNow, charging_now
from models.store.read.events import OutboxNow, outbox_now
from worker.database import engine_for
from worker.ledger_clock import LEDGER_CLOCK
from worker.settings.settings import Settings

WINDOW: Final = timedelta(seconds=60)
_JOBS_MAX: Final = 5_000
_LETTERS_MAX: Final = 10_000
_ACCOUNTS: Final = 8
_LONG: Final = timedelta(minutes=10)
_PATIENCE_MS: Final = 5_000
_CONNECT_S: Final = 3


@dataclass(frozen=True, slots=True)
class LedgerNow:
    jobs: JobsLately
    letters: ParkedLetters
    outbox: OutboxNow
    charging: ChargingNow

    @property
    def at(self) -> datetime:
        """By the database."""
        return self.jobs.at

    @property
    def seconds(self) -> float:
        """That `jobs` are of."""
        return self.jobs.covered.total_seconds()

    @property
    def outbox_lag_s(self) -> float:
        """The age of the oldest event that has not left; 0: none waits."""
        oldest = self.outbox.oldest_at
        return 0.0 if oldest is None else max(0.0, (self.at - oldest).total_seconds())


class LedgerLook:
    """Belongs to one thread. `look` raises what the database, or the way to it, has against it."""

    def __init__(self, settings: Settings) -> None:
        patience_ms = min(_PATIENCE_MS, settings.statement_timeout_ms)
        self._settings = settings.model_copy(
            update={
                "pool_size": 1,
                "statement_timeout_ms": patience_ms,
                "connect_timeout_s": min(_CONNECT_S, settings.connect_timeout_s),
            }
        )
        self._engine: Engine | None = None

    def look(self) -> LedgerNow:
        if self._engine is None:
            self._engine = engine_for(self._settings)
        with snapshot(self._engine) as connection:
            jobs = jobs_lately(connection, WINDOW, most=_JOBS_MAX, accounts=_ACCOUNTS)
            LEDGER_CLOCK.looked_at(jobs.at)  # by which the age of what waits in queues is told
            return LedgerNow(
                jobs,
                parked_letters(connection, _LETTERS_MAX),
                outbox_now(connection),
                charging_now(connection, waits_long=_LONG, due_long=_LONG),
            )

    def close(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()
