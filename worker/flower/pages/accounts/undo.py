"""The entry of a job taken back by an operator: shown before it is done, and done by a job on the queue."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection
from tornado.web import HTTPError

from models.contracts.message import parse
from models.domain import money
from models.domain.accounts import Account, AccountKey, Kind
from models.domain.credits.grants import Grant
from models.domain.deciding.decision import Limits, Original
from models.domain.outcome import Refusal
from models.store.read.finance.undo import Undo, account_of, original_of, undo
from worker.brokers.own_client import UnknownProducer, reverser_of
from worker.encoding.written import Unreadable
from worker.flower.pages.actions import ActionHandler
from worker.flower.pages.base import query
from worker.runtime import limits_of
from worker.settings.settings import Settings

_JOB: Final = "entries.reverse"
_PART: Final = re.compile(r"\d{1,19}(\.\d{1,18})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the form says."""

    part: str | None
    force: bool

    def fields(self, job_id: UUID, account: Account) -> dict[str, Any]:
        """Those of the job. Raises Unreadable."""
        whole = {"job_id": str(job_id), "force": self.force}
        return whole if self.part is None else whole | _part(self.part, account)


@dataclass(frozen=True, slots=True)
class Seen:
    """What would come of it."""

    undo: Undo
    producer: str | None  # in whose name; None: nobody may
    problem: str | None  # why it cannot be asked for

    @property
    def grants(self) -> Mapping[UUID, Grant]:
        return {grant.id: grant for grant in self.undo.account.grants}

    @property
    def refusal(self) -> Refusal | None:
        return self.undo.decision if isinstance(self.undo.decision, Refusal) else None


class UndoHandler(ActionHandler):
    """Of a job: `part` and `force` in the URL."""

    name = "accounts"
    _account: AccountKey  # that it was done on

    async def get(self, job_id: str) -> None:
        settings, wanted = self.capp.runtime.settings, self._wanted
        try:
            seen = await self.read(lambda connection: seen_of(connection, settings, UUID(job_id), wanted))
        except Unreadable as error:
            raise HTTPError(400, "%s", f"{error}.") from error
        if seen is None:
            raise HTTPError(404, f"No entry was written by a job {job_id}.")
        account = seen.undo.account
        self.show("undo.html", job_id=job_id, seen=seen, undo=seen.undo, account=account, scale=account.scale,
                  wanted=wanted)  # fmt: skip

    async def act(self, *where: str) -> str:
        settings, wanted, job_id = self.capp.runtime.settings, self._wanted, UUID(where[0])
        found = await self.read(lambda connection: found_of(connection, job_id))
        if found is None:
            raise HTTPError(404, f"Nothing was done: no entry was written by a job {job_id}.")
        original, account = found
        try:
            fields, producer = wanted.fields(job_id, account), reverser_of(settings, original.producer)
        except Unreadable as error:
            raise HTTPError(400, "%s", f"Nothing was done: {error}.") from error
        except UnknownProducer as error:
            raise HTTPError(409, "%s", f"Nothing was done: {error}.") from error
        self._account = account.key
        return await self.submit(_JOB, fields, producer)

    def back(self, *where: str) -> str:
        return f"{self.reverse_url('account')}?{query(name=str(self._account))}"

    @property
    def _wanted(self) -> Wanted:
        return Wanted(self.asked("part"), self.asked("force") is not None)


def seen_of(connection: Connection, settings: Settings, job_id: UUID, wanted: Wanted) -> Seen | None:
    found = found_of(connection, job_id)
    if found is None:
        return None
    original, account = found
    limits = limits_of(settings)
    try:
        producer, problem = reverser_of(settings, original.producer), None
    except UnknownProducer as error:
        producer, problem = None, f"{error}."
    as_seen = Limits() if producer is None else limits  # what it would come to all the same
    fields = {"idempotency_key": "seen", "producer": producer or original.producer, **wanted.fields(job_id, account)}
    return Seen(undo(connection, job_id, original, account, parse(_JOB, fields), as_seen), producer, problem)


def found_of(connection: Connection, job_id: UUID) -> tuple[Original, Account] | None:
    original = original_of(connection, job_id)
    return None if original is None else (original, account_of(connection, job_id, original))


def _part(text: str, account: Account) -> dict[str, Any]:
    """The part of a job's entry, as its contract has it, from an amount as pages show it. Raises Unreadable."""
    if not _PART.fullmatch(text) or not (given := Decimal(text)):
        raise Unreadable(f"{text!r} is no amount above zero; write 12 or 12.50")
    try:
        units = money.to_units(given, account.scale)
    except (money.ScaleExceeded, money.Overflow) as error:
        raise Unreadable(str(error)) from error
    # Wallets are asked in credits; users in kopeks and apps in whole numbers, which are their units.
    return {"credits": text} if account.key.kind is Kind.WALLET else {"amount": units}
