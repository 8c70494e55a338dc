"""The demo: real jobs through a real broker to a real worker, each with what it must be answered.

It expects before it shows: an answer that differs from what the step says ends the demo with an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event as Flag
from time import monotonic
from typing import Any, Final

from celery import Celery
from celery.states import READY_STATES
from sqlalchemy import Engine

from models.domain.accounts import Account, AccountKey, Kind
from models.domain.ledger import Entry
from models.store import history
from models.store.audit import Report, audit
from models.store.session import snapshot
from worker.clock import now

_TIMEOUT_S: Final = 20
PARKED: Final = "parked"


class Unexpected(Exception):
    """Something was not as the demo says it must be."""


@dataclass(frozen=True, slots=True)
class Step:
    """One message and the answer that it must get."""

    says: str
    job: str
    arguments: Mapping[str, Any]
    code: str
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    step: Step
    code: str
    replayed: bool
    entry: Mapping[str, Any] | None
    message: str


@dataclass(slots=True)
class Counts:
    jobs: int = 0
    applied: int = 0
    replayed: int = 0
    refused: int = 0
    parked: int = 0


@dataclass(slots=True)
class Tour:
    """Plays steps against a running system. `run` keeps its accounts and keys apart from those of earlier runs."""

    broker_url: str
    queue: str
    engine: Engine
    run: str
    counts: Counts = field(default_factory=Counts)

    @property
    def wallet(self) -> AccountKey:
        return AccountKey(Kind.WALLET, f"wallet-{self.run}")

    @property
    def user(self) -> AccountKey:
        return AccountKey(Kind.USER, str(int(self.run, 16)))

    @property
    def app(self) -> AccountKey:
        return AccountKey(Kind.APP, f"{self.run}/store-1")

    def chapters(self) -> list[tuple[str, list[Step]]]:
        """The steps, by what they show."""
        wallet, user = {"wallet_id": self.wallet.ref}, {"user_id": int(self.user.ref)}
        app = {"app_id": self.run, "store_id": "store-1"}
        credit = wallet | self._key("top-up") | {"credits_to_add": "25.5", "transaction_reason": "INVOICE_PAYMENT"}
        correct = user | self._key("correct") | {"amount_kopeks": 50_000}
        balance = app | self._key("set") | {"balance": 2399}
        terms = {"auto_topup_trigger": "balance_below_threshold", "auto_topup_min_balance": 10, "auto_topup_amount": 40}
        top_up, update_user, update_app = "wallets.top_up", "users.update_balance", "apps.update_balance"
        return [
            (
                "Accounts are opened",
                [
                    Step("a wallet, topped up below 10", "wallets.create", wallet | self._key("w") | terms, "applied"),
                    Step("a user", "users.upsert", user | self._key("u") | {"username": "demo"}, "applied"),
                    Step("an app in a store", "apps.upsert", app | self._key("a"), "applied"),
                ],
            ),
            (
                "The three contracts",
                [
                    Step("25.5 credits for a wallet", top_up, credit, "applied"),
                    Step("500.00 rubles for a user", update_user, correct, "applied"),
                    Step("2399 as an app's balance", update_app, balance, "applied"),
                ],
            ),
            (
                "The same messages again: the first answer, nothing applied twice",
                [
                    Step("the top-up", top_up, credit, "applied", replayed=True),
                    Step("the correction", update_user, correct, "applied", replayed=True),
                    Step("the app's balance", update_app, balance, "applied", replayed=True),
                ],
            ),
            (
                "What must not happen is answered with a reason",
                [
                    Step("a key with another amount", top_up, credit | {"credits_to_add": 26}, "idempotency_conflict"),
                    Step(
                        "more than the user has",
                        update_user,
                        user | self._key("overdraft") | {"amount_kopeks": -50_001},
                        "insufficient_funds",
                    ),
                    Step(
                        "a wallet that is not there",
                        top_up,
                        credit | self._key("nowhere") | {"wallet_id": "nowhere"},
                        "wallet_not_found",
                    ),
                    Step(
                        "a malformed body",
                        update_user,
                        user | self._key("malformed") | {"amount_kopeks": "a lot"},
                        "invalid_request",
                    ),
                    Step("a message without a key", update_user, user | {"amount_kopeks": 1}, PARKED),
                ],
            ),
        ]

    def spend(self) -> Step:
        """A debit that takes the wallet below its minimum."""
        arguments = {"wallet_id": self.wallet.ref, "credits": 20, **self._key("debit")}
        return Step("a debit of 20 leaves less than 10", "wallets.debit", arguments, "applied")

    def grant(self) -> Step:
        """Credits that expire in a moment."""
        arguments = {
            "wallet_id": self.wallet.ref,
            "credits_to_add": "3.25",
            "transaction_reason": "FREE_CREDIT_GRANT",
            "expiry_date_utc": (now() + timedelta(seconds=2)).isoformat(),
            **self._key("grant"),
        }
        return Step("3.25 credits that expire in 2 seconds", "wallets.top_up", arguments, "applied")

    def play(self, step: Step) -> Answer:
        """Publishes the message as any Celery client would and checks the answer. Raises Unexpected."""
        with Celery(broker=self.broker_url, set_as_current=False) as client:
            task_id = client.send_task(step.job, kwargs=dict(step.arguments), queue=self.queue).id
        answer = _answer(step, self._result(step, task_id))
        if (answer.code, answer.replayed) != (step.code, step.replayed):
            raise Unexpected(
                f"{step.says}: answered {answer.code}{' (replayed)' if answer.replayed else ''}, expected {step.code}"
                f"{' (replayed)' if step.replayed else ''}: {answer.message}"
            )
        self._count(answer)
        return answer

    def wait_for_entry(self, what: str, wanted: Callable[[Entry], bool]) -> None:
        """Returns once the wallet has such an entry. Raises Unexpected when it does not come in time."""
        wait_for(what, lambda: any(wanted(entry) for entry in self.entries(self.wallet)[1]))

    def entries(self, key: AccountKey) -> tuple[Account, list[Entry]]:
        """The account and its ledger, oldest first."""
        with snapshot(self.engine) as connection:
            account = history.account(connection, key)
            if account is None:
                raise Unexpected(f"there is no account {key}")
            return account, history.entries_of(connection, account.id, limit=100)[::-1]

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

    def _key(self, name: str) -> dict[str, Any]:
        return {"idempotency_key": f"demo-{self.run}-{name}"}

    def _count(self, answer: Answer) -> None:
        self.counts.jobs += 1
        self.counts.replayed += answer.replayed
        self.counts.parked += answer.code == PARKED
        self.counts.applied += answer.code == "applied" and not answer.replayed
        self.counts.refused += answer.code not in ("applied", PARKED)


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
        return Answer(step, PARKED, replayed=False, entry=None, message=str(document))
    error = document["error"]
    message = "" if error is None else f"HTTP {error['status']}"
    return Answer(step, document["code"], document["replayed"], document["entry"], message)
