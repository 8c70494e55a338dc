"""The demo: real jobs through a real broker to a real worker, each with what it must be answered.

It expects before it shows: an answer that differs from what the step says ends the demo with an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event as Flag
from time import monotonic
from typing import Any, Final
from uuid import UUID

from celery import Celery
from celery.states import READY_STATES
from sqlalchemy import Connection, Engine

from models.domain.accounts import Account, AccountKey
from models.domain.charging.policies import Policy
from models.domain.evidence.progress import Report
from models.domain.ledger import Entry
from models.domain.outcome import Code
from models.store.audit.ledger import audit
from models.store.connection.session import snapshot
from models.store.read.accounts import account
from models.store.read.entries import entries_of
from models.store.read.events import outbox_now
from models.store.read.webhooks import EndpointShown, endpoint_list
from worker.demo.script import PARKED, Script, Step
from worker.demo.webhook_receiver import WebhookReceiver

_TIMEOUT_S: Final = 20
_ENDPOINTS_MAX: Final = 10_000  # earlier runs that were broken off have left theirs
_ENTRIES_MAX: Final = 100  # which the demo does not come near


class Unexpected(Exception):
    """Something was not as the demo says it must be."""


@dataclass(frozen=True, slots=True)
class Answer:
    step: Step
    code: str
    replayed: bool
    job_id: str | None
    entry: Mapping[str, Any] | None
    message: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """An account and all its entries, the oldest first."""

    account: Account
    entries: tuple[Entry, ...]


@dataclass(slots=True)
class Counts:
    jobs: int = 0
    applied: int = 0
    replayed: int = 0
    refused: int = 0
    parked: int = 0


@dataclass(slots=True)
class Tour:
    """Plays the script against a running system."""

    broker_url: str
    queue: str
    engine: Engine
    script: Script
    counts: Counts = field(default_factory=Counts)
    _jobs: dict[str, str] = field(default_factory=dict)  # job ids, by the keys of their steps

    def play(self, step: Step) -> Answer:
        """Publishes the message as any Celery client would and checks the answer. Raises Unexpected."""
        arguments = dict(step.arguments)
        if step.about is not None:
            arguments["job_id"] = self._jobs[step.about]
        with Celery(broker=self.broker_url, set_as_current=False) as client:
            task_id = client.send_task(step.job, kwargs=arguments, queue=self.queue).id
        answer = _answer(step, self._result(step, task_id))
        if (answer.code, answer.replayed) != (step.code, step.replayed):
            raise Unexpected(
                f"{step.says}: answered {answer.code}{' (replayed)' if answer.replayed else ''}, expected {step.code}"
                f"{' (replayed)' if step.replayed else ''}: {answer.message}"
            )
        self._count(answer)
        if answer.job_id is not None:
            self._jobs[arguments["idempotency_key"]] = answer.job_id
        return answer

    def wait_for_entry(self, what: str, wanted: Callable[[Entry], bool]) -> None:
        """Returns once the wallet has such an entry. Raises Unexpected when it does not come in time."""
        wait_for(what, lambda: any(wanted(entry) for entry in self.ledger(self.script.wallet).entries))

    def wait_for_policy(self, what: str, wanted: Callable[[Policy], bool]) -> Policy:
        """The policy of the wallet with a card, once it is so. Raises Unexpected when it does not come in time."""

        def look() -> Policy | None:
            policy = self.ledger(self.script.card).account.policy
            return policy if policy is not None and wanted(policy) else None

        found: Policy = wait_for(what, look)
        return found

    def wait_for_events(self, receiver: WebhookReceiver) -> list[dict[str, Any]]:
        """What the receiver was told of the wallet with a card, once it was told all. Raises Unexpected when that does
        not come in time, in another order, or without a signature."""
        wait_for("all webhooks", lambda: not self._telling(receiver.url))
        if receiver.refused:
            raise Unexpected(f"{receiver.refused} webhooks had a wrong signature")
        told = [event for event in receiver.events.values() if event["account"] == str(self.script.card)]
        numbers = [event["seq"] for event in told]
        if not told or numbers != sorted(numbers):
            raise Unexpected(f"webhooks did not come in the order of their account: {numbers}")
        return told

    def _telling(self, url: str) -> bool:
        """Whether there is anything that was not told yet."""
        with snapshot(self.engine) as connection:
            return outbox_now(connection).events > 0 or self._endpoint(connection, url).waiting > 0

    def endpoint_at(self, url: str) -> UUID:
        """The endpoint that the demo has added."""
        with snapshot(self.engine) as connection:
            return self._endpoint(connection, url).endpoint.id

    def _endpoint(self, connection: Connection, url: str) -> EndpointShown:
        found = endpoint_list(connection, _ENDPOINTS_MAX, removed=False).rows
        return next(each for each in found if each.endpoint.url == url)

    def ledger(self, key: AccountKey) -> Ledger:
        """What was done to an account. Raises Unexpected when there is none."""
        with snapshot(self.engine) as connection:
            found = account(connection, key)
            if found is None:
                raise Unexpected(f"there is no account {key}")
            return Ledger(found, entries_of(connection, found.id, _ENTRIES_MAX).rows[::-1])

    def ledgers(self) -> list[Ledger]:
        """Those of all accounts of the script."""
        return [self.ledger(key) for key in (self.script.wallet, self.script.card, self.script.user, self.script.app)]

    def verify(self) -> Report:
        """Recomputes the whole ledger. Raises Unexpected when it does not add up."""
        report = audit(self.engine)
        if not report.coherent:
            raise Unexpected(f"the ledger does not add up: {report.findings[0]}")
        return report

    def _result(self, step: Step, task_id: str) -> Any:
        with Celery(backend=self.broker_url, set_as_current=False) as client:
            met = wait_for(f"{step.says}: an answer", lambda: _ready(client.backend.get_task_meta(task_id)))
        return met["result"]

    def _count(self, answer: Answer) -> None:
        self.counts.jobs += 1
        self.counts.replayed += answer.replayed
        self.counts.parked += answer.code == PARKED
        self.counts.applied += answer.code == Code.APPLIED and not answer.replayed
        self.counts.refused += answer.code not in (Code.APPLIED, PARKED)


def wait_for(what: str, look: Callable[[], Any]) -> Any:
    """What `look` finds, once it finds something. Raises Unexpected when that takes too long."""
    deadline, pause = monotonic() + _TIMEOUT_S, Flag()
    while not (found := look()):
        if monotonic() > deadline:
            raise Unexpected(f"{what} did not come within {_TIMEOUT_S} s")
        pause.wait(0.05)
    return found


def _ready(meta: dict[str, Any]) -> dict[str, Any] | None:
    return meta if meta["status"] in READY_STATES else None


def _answer(step: Step, document: Any) -> Answer:
    if isinstance(document, Exception):
        return Answer(step, PARKED, replayed=False, job_id=None, entry=None, message=str(document))
    error = document["error"]
    message = "" if error is None else f"HTTP {error['status']}"
    return Answer(step, document["code"], document["replayed"], document["job_id"], document["entry"], message)
