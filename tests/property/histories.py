"""Random histories: what publishers and beats ask for, in which order, under which keys, cut into which batches."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Engine

from models.batch.outcome import StoredOutcome
from models.batch.system_jobs import expire_job, hold_job, open_job, system_job
from models.domain.accounts import AccountKey, Kind
from models.domain.deciding.commands import Job
from models.domain.deciding.top_up_commands import TopUpLook
from tasks.apply.path import apply
from tests.support.builders import LIMITS, job
from tests.support.resealed import execute_resealed

WALLETS: Final[dict[str, dict[str, Any]]] = {
    "w1": {"scale": 0},
    "w2": {"scale": 2, "conversion_rate": "3", "floor": "-5"},
    "w3": {
        "auto_topup_trigger": "balance_below_threshold",
        "auto_topup_min_balance": 10,
        "auto_topup_amount": 25,
    },
}
USERS: Final[dict[int, dict[str, Any]]] = {1: {"telegram_id": 101}, 2: {"telegram_id": 102, "floor_kopeks": -50}}
APPS: Final[dict[str, dict[str, Any]]] = {"a": {}, "b": {}}
TIMES: Final = ("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z", "2020-01-03T00:00:00Z")
SWEEPS: Final[dict[str, Callable[[AccountKey, UUID], Job]]] = {
    "expire": lambda wallet, grant: expire_job(wallet, grant, 0),
    "begin": lambda wallet, grant: open_job(wallet, grant, 0),
    "run out": hold_job,
}
TIME: Final = "its time comes"  # of a grant or hold: what lies in the future for it is now
_COMES: Final = (
    "update holds set expires_at = now() where id = :id and expires_at > clock_timestamp()",
    "update grants set expires_at = now() where id = :id and expires_at > clock_timestamp()"
    " and (effective_at is null or effective_at <= now())",
    "update grants set effective_at = now() where id = :id and effective_at > clock_timestamp()",
)


@dataclass(frozen=True)
class Step:
    """One job that somebody publishes. `of` is the place in the history of the job that it names, if it names one."""

    name: str
    account: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    of: int | None = None
    key: str | None = None  # None: its own


@dataclass(frozen=True)
class History:
    steps: tuple[Step, ...]
    cuts: frozenset[int]  # a batch ends before these places

    def key(self, place: int) -> str:
        return self.steps[place].key or f"key-{place}"

    def batches(self) -> list[list[int]]:
        """Places by batch. What names the job of an earlier place is never in a batch with it: nobody knows its id.
        When the time of something comes, no batch is under way."""
        batches: list[list[int]] = [[]]
        for place, step in enumerate(self.steps):
            named = (
                None if step.of is None else {place for place in batches[-1] if self.key(place) == self.key(step.of)}
            )
            if place in self.cuts or named or step.name == TIME:
                batches.append([])
            batches[-1].append(place)
            if step.name == TIME:
                batches.append([])
        return [batch for batch in batches if batch]


def setup() -> list[Job]:
    """Accounts with something in them."""
    return [
        *(job("wallets.create", wallet_id=name, idempotency_key=f"create-{name}", **t) for name, t in WALLETS.items()),
        *(job("users.upsert", user_id=number, idempotency_key=f"create-{number}", **t) for number, t in USERS.items()),
        *(job("apps.upsert", app_id=n, store_id=1, idempotency_key=f"create-{n}", **t) for n, t in APPS.items()),
        *(_credit(name, idempotency_key=f"fill-{name}") for name in WALLETS),
        job("users.update_balance", user_id=1, amount_kopeks=100, idempotency_key="fill-1"),
        job("apps.update_balance", app_id="b", store_id=1, balance=6, occurred_at=TIMES[0], idempotency_key="fill-b"),
        job("apps.upsert", app_id="b", store_id=1, decrease_only=True, idempotency_key="rule-b"),
    ]


def _credit(wallet: str, **fields: Any) -> Job:
    return job("wallets.top_up", wallet_id=wallet, credits_to_add=12, transaction_reason="INVOICE_REFUND", **fields)


def play(engine: Engine, history: History, batches: Sequence[Sequence[int]] | None = None) -> dict[int, StoredOutcome]:
    """Settles the history, batch by batch; returns the answers by place."""
    setup_on(engine)
    *_, answers = {}, *play_on(engine, history, batches)
    return answers


def setup_on(engine: Engine) -> None:
    apply(engine, setup(), LIMITS)


def play_on(
    engine: Engine, history: History, batches: Sequence[Sequence[int]] | None = None
) -> Iterator[dict[int, StoredOutcome]]:
    """The same from after the setup: after each batch, the answers so far."""
    answers: dict[int, StoredOutcome] = {}
    for batch in history.batches() if batches is None else batches:
        if history.steps[batch[0]].name == TIME:
            _time_comes(engine, history.steps[batch[0]], answers)
        else:
            jobs = [_job(history, place, answers) for place in batch]
            answers.update(zip(batch, apply(engine, jobs, LIMITS), strict=True))
        yield answers


def _time_comes(engine: Engine, step: Step, answers: Mapping[int, StoredOutcome]) -> None:
    assert step.of is not None
    for statement in _COMES:
        execute_resealed(engine, statement, id=answers[step.of].job_id)


def _job(history: History, place: int, answers: Mapping[int, StoredOutcome]) -> Job:
    step = history.steps[place]
    named = str(answers[step.of].job_id) if step.of is not None else ""
    wallet = AccountKey(Kind.WALLET, step.account)
    if step.name in SWEEPS:
        return SWEEPS[step.name](wallet, UUID(named))
    if step.name == "auto top-up":
        return system_job("autotopup.top_up", f"{step.fields['crossing']}:{wallet}", dict(step.fields), TopUpLook(
            wallet, step.fields["crossing"]
        ))  # fmt: skip
    fields = {**step.fields, "job_id": named} if step.of is not None else step.fields
    return job(step.name, idempotency_key=history.key(place), **fields)
