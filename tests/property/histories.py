"""Random histories: what publishers and beats ask for, in which order, under which keys, cut into which batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from hypothesis import strategies as st
from sqlalchemy import Engine

from models.domain.accounts import AccountKey, Kind
from models.domain.commands import Job, WalletAutoTopUp
from tasks.apply import apply
from tasks.outcome import Outcome
from tasks.sweep import system_job
from tests.builders import LIMITS, expire_job, job

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
        """Places by batch. What names the job of an earlier place is never in a batch with it: nobody knows its id."""
        batches: list[list[int]] = [[]]
        for place, step in enumerate(self.steps):
            named = (
                None if step.of is None else {place for place in batches[-1] if self.key(place) == self.key(step.of)}
            )
            if place in self.cuts or named:
                batches.append([])
            batches[-1].append(place)
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


def play(engine: Engine, history: History, batches: Sequence[Sequence[int]] | None = None) -> dict[int, Outcome]:
    """Settles the history, batch by batch; returns the answers by place."""
    apply(engine, setup(), LIMITS)
    answers: dict[int, Outcome] = {}
    for batch in history.batches() if batches is None else batches:
        jobs = [_job(history, place, answers) for place in batch]
        answers.update(zip(batch, apply(engine, jobs, LIMITS), strict=True))
    return answers


def _job(history: History, place: int, answers: Mapping[int, Outcome]) -> Job:
    step = history.steps[place]
    named = str(answers[step.of].job_id) if step.of is not None else ""
    wallet = AccountKey(Kind.WALLET, step.account)
    if step.name == "expire":
        return expire_job(wallet, named)
    if step.name == "auto top-up":
        return system_job("autotopup.top_up", f"{step.fields['crossing']}:{wallet}", dict(step.fields), WalletAutoTopUp(
            wallet, step.fields["crossing"]
        ))  # fmt: skip
    fields = {**step.fields, "job_id": named} if step.of is not None else step.fields
    return job(step.name, idempotency_key=history.key(place), **fields)


# --- how histories are drawn

MOVES: Final = ("wallets.top_up", "wallets.debit", "wallets.terminate", "users.update_balance", "apps.update_balance")
wallets = st.sampled_from(["w1", "w1", "w2", "w3"])
much = st.sampled_from(["1", "2", "3", "5", "7", "10", "0.01", "0.5", "0", "1e3"])


@st.composite
def corrections(draw: st.DrawFn) -> Step:
    user = draw(st.sampled_from([1, 1, 2, 3]))  # nobody is user 3
    who = draw(st.sampled_from([{"user_id": user}, {"telegram_id": 100 + user}]))
    amount = draw(st.sampled_from([1, -1, 40, -40, 100, -100, 0, 10**9]))
    return Step(
        "users.update_balance",
        f"user:{user}",
        {**who, "amount_kopeks": amount, "create_transaction": draw(st.booleans())},
    )


@st.composite
def top_ups(draw: st.DrawFn) -> Step:
    wallet = draw(wallets)
    terms = draw(
        st.fixed_dictionaries(
            {},
            optional={"priority": st.integers(0, 2), "expiry_date_utc": st.sampled_from(["2998-01-01", "2999-01-01"])},
        )
    )
    how = draw(st.sampled_from(["credits_to_add", "amount"]))
    fields = {"wallet_id": wallet, how: draw(much), "transaction_reason": "INVOICE_REFUND", **terms}
    return Step("wallets.top_up", wallet, fields)


@st.composite
def debits(draw: st.DrawFn) -> Step:
    wallet = draw(wallets)
    how = draw(st.sampled_from(["credits", "amount"]))
    return Step("wallets.debit", wallet, {"wallet_id": wallet, how: draw(much)})


@st.composite
def sets(draw: st.DrawFn) -> Step:
    app, at = draw(st.sampled_from(["a", "b"])), draw(st.sampled_from([*TIMES, *TIMES, None]))
    fields = {"app_id": app, "store_id": 1, "balance": draw(st.sampled_from([0, 5, 6, 2399])), "occurred_at": at}
    return Step("apps.update_balance", f"app:{app}", fields)


@st.composite
def terms(draw: st.DrawFn) -> Step:
    wallet = draw(wallets)
    changes: dict[str, Any] = draw(
        st.sampled_from(
            [
                {"wallet_status": "frozen"},
                {"wallet_status": "active"},
                {"auto_topup_trigger": "disabled"},
                {"auto_topup_trigger": "balance_below_threshold", "auto_topup_min_balance": 5, "auto_topup_amount": 3},
                {"auto_topup_min_balance": 20},
            ]
        )
    )
    return Step("wallets.update", wallet, {"wallet_id": wallet, **changes})


def terminations() -> st.SearchStrategy[Step]:
    return wallets.map(lambda wallet: Step("wallets.terminate", wallet, {"wallet_id": wallet}))


def auto_top_ups() -> st.SearchStrategy[Step]:
    return st.sampled_from([1, 1, 2]).map(lambda crossing: Step("auto top-up", "w3", {"crossing": crossing}))


def nonsense() -> st.SearchStrategy[Step]:
    return st.just(Step("wallets.debit", "nobody", {"wallet_id": "w1", "credits": 1.5}))


# How often each is drawn. (one_of takes every kind once, however often it is named.)
WEIGHTS: Final[dict[str, int]] = {
    "debit": 7,
    "top-up": 5,
    "correction": 4,
    "set": 3,
    "auto top-up": 2,
    "reversal": 4,
    "expiry": 3,
    "again": 2,
    "another under its key": 2,
    "terms": 1,
    "termination": 1,
    "nonsense": 1,
}
FRESH: Final[dict[str, st.SearchStrategy[Step]]] = {
    "debit": debits(),
    "top-up": top_ups(),
    "correction": corrections(),
    "set": sets(),
    "auto top-up": auto_top_ups(),
    "terms": terms(),
    "termination": terminations(),
    "nonsense": nonsense(),
}
kinds = st.sampled_from([name for name, weight in WEIGHTS.items() for _ in range(weight)])


@st.composite
def histories(draw: st.DrawFn, keys_are_shared: bool = True) -> History:
    """`keys_are_shared`: a key may be used again, for the same job, for another, or on another account."""
    steps: list[Step] = []
    for _ in range(draw(st.integers(1, 30))):
        steps.append(draw(_steps(steps, draw(kinds), keys_are_shared)))
    return History(tuple(steps), draw(st.frozensets(st.integers(1, 29))))


def _steps(steps: list[Step], kind: str, keys_are_shared: bool) -> st.SearchStrategy[Step]:
    """Steps of a kind that come after these; plain debits where there is nothing yet that the kind could name."""
    earlier = list(range(len(steps)))
    if kind == "reversal" and (moves := [of for of in earlier if steps[of].name in MOVES]):
        return st.builds(_reversal, st.just(steps), st.sampled_from(moves), st.booleans())
    if kind == "expiry" and (
        grants := [of for of in earlier if {"priority", "expiry_date_utc"} & set(steps[of].fields)]
    ):
        return st.builds(_expiry, st.just(steps), st.sampled_from(grants))
    if keys_are_shared and earlier and kind == "again":
        return st.builds(_again, st.just(steps), st.sampled_from(earlier))
    if keys_are_shared and earlier and kind == "another under its key":
        return st.builds(_under_the_key_of, st.just(steps), st.sampled_from(earlier), debits() | corrections())
    return FRESH.get(kind, FRESH["debit"])


def _key(steps: Sequence[Step], place: int) -> str:
    return steps[place].key or f"key-{place}"


def _reversal(steps: Sequence[Step], of: int, force: bool) -> Step:
    return Step("entries.reverse", steps[of].account, {"force": force}, of=of)


def _expiry(steps: Sequence[Step], of: int) -> Step:
    return Step("expire", steps[of].account, of=of)


def _again(steps: Sequence[Step], place: int) -> Step:
    return replace(steps[place], key=_key(steps, place))


def _under_the_key_of(steps: Sequence[Step], place: int, step: Step) -> Step:
    return replace(step, key=_key(steps, place))
