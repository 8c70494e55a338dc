"""A balance worker in memory: the real rules, a clock that tests set, and nothing that could be away unless told so."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from threading import RLock
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from balance_client.publishing.handles import Entry, entry_of
from balance_client.publishing.job_message import JobMessage
from balance_client.testing.due import Due, once
from balance_client.testing.ledger import Ledger
from models.batch.outcome import Answer, Parked, StoredOutcome
from models.batch.records import Told
from models.contracts.catalogue import contract_of
from models.contracts.message import Malformed, parse
from models.contracts.replies.events import EventMessage, event_of_job
from models.contracts.replies.events import Told as Event
from models.contracts.replies.outcome import encode, entry_document
from models.contracts.wire.envelope import DEFAULT_PRODUCER
from models.domain.accounts import AccountKey, Kind
from models.domain.credits.balance import credit, spendable
from models.domain.deciding.commands import Job
from models.domain.deciding.decision import Limits
from models.domain.money import from_units, plain
from models.domain.outcome import Status
from models.domain.webhooks.secrets import SecretKeys
from models.python310 import UTC

if TYPE_CHECKING:
    from balance_client.testing.aio import FakeAsyncBalanceClient
    from balance_client.testing.client import FakeBalanceClient

_TICK: Final = timedelta(microseconds=1)
_NEVER: Final = timedelta(0)
_WEBHOOK_KEY: Final = SecretKeys((b"no secret: of tests, in memory",)).newest
LIMITS: Final = Limits(webhook_key=_WEBHOOK_KEY)
"""Those of a deployment that has set nothing, with a key to make secrets of webhooks from."""


class FakeWorker:
    """Accounts in memory, and jobs applied to them as the worker applies them: outcomes, replays, conflicts, refusals.

    `now`: the time, with a zone; it stands still then. None: the time of the machine, which goes on. `limits`: rules
    that an operator sets (BALANCE_EXPIRY_GRACE, …); `replace(LIMITS, …)`.

    Credits that have expired cannot be spent, and holds that have run out hold nothing, from that moment on. What else
    time brings (entries and events of expiry, auto top-ups) is done by `settle_due`. Payment providers are not asked:
    settle charges with `charges.settle`. Signatures are not looked at, and webhooks not sent.
    """

    def __init__(self, *, now: datetime | None = None, limits: Limits = LIMITS) -> None:
        self.ledger = Ledger()
        self.limits = limits
        self.charging_paused = False  # as an operator does by `balance-worker charging pause`
        self.parking: str | None = None  # why whatever comes from now on is parked instead of applied
        self.messages: list[JobMessage] = []  # all that came from clients, in their order
        self._results: dict[str, str] = {}  # Celery's, by task id
        self._waiting: list[JobMessage] = []
        self._running = True
        self._lock = RLock()  # threads of a service may share a client
        self._stopped_at: datetime | None = None
        self._ahead = _NEVER
        self._last: datetime | None = None
        if now is not None:
            self.now = now

    def client(self, producer: str = DEFAULT_PRODUCER) -> FakeBalanceClient:
        """What is used like a BalanceClient, of a broker that only this worker reads."""
        from balance_client.testing.client import FakeBalanceClient

        return FakeBalanceClient(self, producer)

    def async_client(self, producer: str = DEFAULT_PRODUCER) -> FakeAsyncBalanceClient:
        """The same for AsyncBalanceClient."""
        from balance_client.testing.aio import FakeAsyncBalanceClient

        return FakeAsyncBalanceClient(self, producer)

    # --- time

    @property
    def now(self) -> datetime:
        """The time by which jobs are decided. Set it, and it stands still but for the microsecond of each batch."""
        at = self._stopped_at or datetime.now(UTC) + self._ahead
        return at if self._last is None else max(at, self._last)

    @now.setter
    def now(self, at: datetime) -> None:
        if at.tzinfo is None:
            raise ValueError("now needs a time zone")
        self._stopped_at, self._last = at.astimezone(UTC), None

    def advance(self, by: timedelta) -> None:
        """Lets so much time pass at once."""
        if self._stopped_at is None:
            self._ahead += by
        else:
            self._stopped_at = self.now + by

    def _moment(self) -> datetime:
        at = self.now
        if self._last is not None and at <= self._last:
            at = self._last + _TICK
        self._last = at
        return at

    def settle_due(self, *, notice: timedelta = _NEVER) -> int:
        """Does what has come due, as the worker's beat does: grants begin and expire, holds run out, top-ups fire.

        `notice`: how long before it expires a grant is told of; 0: never. Returns how many jobs were applied.
        """
        due = Due(self.ledger, self.limits.expiry_grace, notice)
        finds = [due.begun, due.run_out, due.written_off, due.soon_over]
        if self.limits.charging and not self.charging_paused:
            finds.append(due.looks)
        with self._lock:
            return sum(self._sweep(find) for find in finds)

    def _sweep(self, find: Callable[[datetime], list[Job]]) -> int:
        """As tasks/scheduled/sweep.py does: until nothing new is found, each account and each subject once."""
        applied, seen = 0, set[str]()
        while jobs := [job for job in find(self.now) if once(job) not in seen]:
            seen |= {once(job) for job in jobs}
            outcomes = self.apply(jobs)
            applied += sum(each.status is Status.APPLIED and not each.replayed for each in outcomes)
        return applied

    # --- jobs

    def apply(self, jobs: Sequence[Job]) -> list[StoredOutcome]:
        """Settles the jobs as one batch and answers each, in their order."""
        with self._lock:
            batch = self.ledger.decide(jobs, self._moment(), self.limits, paused=self.charging_paused)
            self.ledger.keep(batch)
        return batch.outcomes

    def stop(self) -> None:
        """From now on messages wait, and outcomes do not come: `get` raises OutcomeTimeout at once."""
        with self._lock:
            self._running = False

    def start(self) -> None:
        """Goes on, with what has waited."""
        with self._lock:
            self._running = True
            waiting, self._waiting = self._waiting, []
            self._settle(waiting)

    def receive(self, messages: Sequence[JobMessage]) -> None:
        """Takes messages off the queue. What is no job, or is told to be, is parked."""
        with self._lock:
            self.messages += messages
            if self._running:
                self._settle(messages)
            else:
                self._waiting += messages

    def result(self, task_id: str) -> str | None:
        """Celery's result of a message, JSON; None: there is none yet."""
        return self._results.get(task_id)

    def _settle(self, messages: Sequence[JobMessage]) -> None:
        understood = [self._understood(message) for message in messages]
        outcomes = iter(self.apply([each for each in understood if isinstance(each, Job)]))
        for message, each in zip(messages, understood, strict=True):
            answer = next(outcomes) if isinstance(each, Job) else each
            if message.want_result:
                self._results[message.task_id] = _result(answer)

    def _understood(self, message: JobMessage) -> Job | Parked:
        if self.parking is not None:
            return _parked(self.parking)
        _, kwargs, _ = json.loads(message.body(), parse_float=Decimal)
        try:
            return parse(message.name, kwargs)
        except Malformed as error:
            return _parked(f"{error.reason}: {error}")

    # --- for asserts

    def balance(self, account: str) -> Decimal:
        """What "wallet:w_1", "user:42" or "app:shop/7" shows now: credits, roubles or units. KeyError: not there."""
        found = self.ledger.loaded(_key(account))
        return plain(from_units(credit(found, self.now), found.scale))

    def spendable(self, account: str) -> Decimal:
        """The same less what is held: what can be spent, the floor aside."""
        found = self.ledger.loaded(_key(account))
        return plain(from_units(spendable(found, self.now), found.scale))

    def entries(self, account: str) -> list[Entry]:
        """The account's ledger, the oldest first. KeyError: there is no such account."""
        found = self.ledger.accounts[_key(account)]
        written = [entry for entry in self.ledger.entries if entry.account == found.key]
        return [entry_of(json.loads(encode(entry_document(entry, found.scale)))) for entry in written]

    @property
    def events(self) -> list[dict[str, Any]]:
        """What would be told of settled jobs, in its order: the documents of docs/events.md, fractions as decimals."""
        return [json.loads(self._event(told).body, parse_float=Decimal) for told in self.ledger.told]

    def _event(self, told: Told) -> EventMessage:
        settled = self.ledger.settled[told.job_id]
        job = settled.job
        account = None if told.account_id is None else str(self.ledger.keys[told.account_id])
        return event_of_job(
            Event(
                told.type, job.id, job.producer, job.key, job.name, settled.code.value, settled.settled_at, account,
                told.seq, settled.outcome, contract_of(job.name).ACCOUNT_IS_A_PART, told.data,
            )
        )  # fmt: skip


def _key(account: str) -> AccountKey:
    kind, _, ref = account.partition(":")
    return AccountKey(Kind(kind), ref)


def _parked(why: str) -> Parked:
    return Parked(f"{why} (dead letter {uuid4()}; nothing was applied)")


def _result(answer: Answer) -> str:
    if isinstance(answer, StoredOutcome):
        return f'{{"status":"SUCCESS","result":{answer.json()}}}'
    failure = {"exc_type": "Parked", "exc_message": [str(answer)], "exc_module": Parked.__module__}
    return json.dumps({"status": "FAILURE", "result": failure})
