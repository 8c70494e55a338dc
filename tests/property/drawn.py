"""How random histories of jobs are drawn: which steps there are, how often, and what they may name."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from hypothesis import strategies as st

from tests.property.histories import SWEEPS, TIME, TIMES, History, Step

MOVES: Final = (
    "wallets.top_up",
    "wallets.debit",
    "holds.capture",
    "wallets.hold",
    "wallets.terminate",
    "users.update_balance",
    "apps.update_balance",
)
wallets = st.sampled_from(["w1", "w1", "w2", "w3"])
much = st.sampled_from(["1", "2", "3", "5", "7", "10", "0.01", "0.5", "0", "1e3"])
# A grant that was over before it was there: decided in time, and late on its way.
OVER: Final = {"occurred_at": TIMES[0], "expiry_date_utc": TIMES[1]}
TERMS: Final[list[dict[str, Any]]] = [
    {},
    {},
    {"priority": 0},
    {"priority": 1, "expiry_date_utc": "2998-01-01"},
    {"expiry_date_utc": "2998-01-01"},
    {"expiry_date_utc": "2999-01-01"},
    {"effective_at": "2997-01-01T00:00:00Z"},
    {"effective_at": "2997-01-01T00:00:00Z", "expiry_date_utc": "2998-01-01"},
    {"bonus_credits_to_add": "2"},
    {"bonus_credits_to_add": "3", "bonus_expiry_date_utc": "2998-01-01", "expiry_date_utc": "2998-01-01"},
    OVER,
]
CHANGES: Final[list[dict[str, Any]]] = [
    {"wallet_status": "frozen"},
    {"wallet_status": "active"},
    {"auto_topup_trigger": "disabled"},
    {"auto_topup_trigger": "balance_below_threshold", "auto_topup_min_balance": 5, "auto_topup_amount": 3},
    {"auto_topup_min_balance": 20},
    {"floor": "-20"},
    {"overdraft_allowed": True},
    {"config": {"allowed_price_types": ["USAGE"]}},
]

PRICES: Final[list[dict[str, str]]] = [{}, {}, {}, {"price_type": "FIXED"}, {"overdraft": "4"}]


def _about(account: str, name: str, **fields: Any) -> Step:
    return Step(name, account, {"wallet_id": account, **fields})


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
    how = {draw(st.sampled_from(["credits_to_add", "amount"])): draw(much)}
    return _about(
        draw(wallets), "wallets.top_up", transaction_reason="INVOICE_REFUND", **how, **draw(st.sampled_from(TERMS))
    )


@st.composite
def debits(draw: st.DrawFn) -> Step:
    how = {draw(st.sampled_from(["credits", "amount"])): draw(much)}
    price = draw(st.sampled_from(PRICES))
    return _about(draw(wallets), "wallets.debit", **how, **price)


@st.composite
def holds(draw: st.DrawFn) -> Step:
    return _about(draw(wallets), "wallets.hold", credits=draw(much))


@st.composite
def sets(draw: st.DrawFn) -> Step:
    app, at = draw(st.sampled_from(["a", "b"])), draw(st.sampled_from([*TIMES, *TIMES, None]))
    fields = {"app_id": app, "store_id": 1, "balance": draw(st.sampled_from([0, 5, 6, 2399])), "occurred_at": at}
    return Step("apps.update_balance", f"app:{app}", fields)


@st.composite
def terms(draw: st.DrawFn) -> Step:
    return _about(draw(wallets), "wallets.update", **draw(st.sampled_from(CHANGES)))


def terminations() -> st.SearchStrategy[Step]:
    return wallets.map(lambda wallet: _about(wallet, "wallets.terminate"))


def auto_top_ups() -> st.SearchStrategy[Step]:
    return st.sampled_from([1, 2, 2, 3, 4]).map(lambda crossing: Step("auto top-up", "w3", {"crossing": crossing}))


def nonsense() -> st.SearchStrategy[Step]:
    return st.just(Step("wallets.debit", "nobody", {"wallet_id": "w1", "credits": 1.5}))


# How often each is drawn. (one_of takes every kind once, however often it is named.)
WEIGHTS: Final[dict[str, int]] = {
    "debit": 6,
    "top-up": 6,
    "hold": 4,
    "correction": 3,
    "set": 2,
    "auto top-up": 2,
    "reversal": 5,
    "capture": 3,
    "release": 1,
    "void": 1,
    "time": 2,
    "sweep": 3,
    "again": 2,
    "another under its key": 2,
    "terms": 2,
    "termination": 1,
    "nonsense": 1,
}
FRESH: Final[dict[str, st.SearchStrategy[Step]]] = {
    "debit": debits(),
    "top-up": top_ups(),
    "hold": holds(),
    "correction": corrections(),
    "set": sets(),
    "auto top-up": auto_top_ups(),
    "terms": terms(),
    "termination": terminations(),
    "nonsense": nonsense(),
}
NEEDED: Final = {"capture": "hold", "release": "hold", "void": "top-up", "time": "top-up", "sweep": "top-up"}
kinds = st.sampled_from([name for name, weight in WEIGHTS.items() for _ in range(weight)])


@st.composite
def histories(draw: st.DrawFn, keys_are_shared: bool = True) -> History:
    """`keys_are_shared`: a key may be used again, for the same job, for another, or on another account."""
    steps: list[Step] = []
    for _ in range(draw(st.integers(1, 30))):
        steps.append(draw(_steps(steps, draw(kinds), keys_are_shared)))
    return History(tuple(steps), draw(st.frozensets(st.integers(1, 29))))


def _steps(steps: list[Step], kind: str, keys_are_shared: bool) -> st.SearchStrategy[Step]:
    """Steps of a kind that come after these; where there is nothing yet that the kind could name, what it would."""
    named = _named_by(steps, kind)
    if named:
        return st.sampled_from(named).flatmap(lambda of: _naming(steps, kind, of))
    earlier = [place for place, step in enumerate(steps) if step.name != TIME]
    if keys_are_shared and earlier and kind == "again":
        return st.builds(_again, st.just(steps), st.sampled_from(earlier))
    if keys_are_shared and earlier and kind == "another under its key":
        return st.builds(_under_the_key_of, st.just(steps), st.sampled_from(earlier), debits() | corrections())
    return FRESH.get(NEEDED.get(kind, kind), FRESH["debit"])


def _named_by(steps: Sequence[Step], kind: str) -> list[int]:
    """Places of the jobs that a step of this kind can name."""
    names = {
        "reversal": MOVES,
        "capture": ("wallets.hold",),
        "release": ("wallets.hold",),
        "void": ("wallets.top_up",),
        "time": ("wallets.top_up", "wallets.hold"),
        "sweep": ("wallets.top_up", "wallets.hold"),
    }.get(kind, ())
    return [place for place, step in enumerate(steps) if step.name in names]


def _naming(steps: Sequence[Step], kind: str, of: int) -> st.SearchStrategy[Step]:
    account = steps[of].account
    part = st.sampled_from([None, None, "1", "2", "0.5"])
    match kind:
        case "reversal":
            unit = "credits" if account.startswith("w") else "amount"
            return st.builds(
                lambda force, part: Step("entries.reverse", account, {"force": force, unit: part}, of),
                st.booleans(),
                part,
            )
        case "capture":
            return st.builds(
                lambda final, part: Step("holds.capture", account, {"final": final, "credits": part}, of),
                st.booleans(),
                part,
            )
        case "release":
            return st.just(Step("holds.release", account, {}, of))
        case "void":
            fields = {"wallet_id": account, "reason": "asked", "operator": "me"}
            return st.booleans().map(lambda bonus: Step("grants.void", account, {**fields, "bonus": bonus}, of))
        case "time":
            return st.just(Step(TIME, account, {}, of))
        case _:
            mine = ["run out"] if steps[of].name == "wallets.hold" else [name for name in SWEEPS if name != "run out"]
            return st.sampled_from(mine).map(lambda name: Step(name, account, {}, of))


def _key(steps: Sequence[Step], place: int) -> str:
    return steps[place].key or f"key-{place}"


def _again(steps: Sequence[Step], place: int) -> Step:
    return replace(steps[place], key=_key(steps, place))


def _under_the_key_of(steps: Sequence[Step], place: int, step: Step) -> Step:
    return replace(step, key=_key(steps, place))
