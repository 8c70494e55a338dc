"""Auto top-up is about the level: whatever brought the wallet there, the scan fills it, once a look."""

from typing import Any

import pytest
from sqlalchemy import Engine

from tasks.auto_topup import scan as autotopup
from tests.support.builders import applier, ask, balance, done, entries, let_expire, rows, sweep
from tests.support.resealed import execute_resealed

POLICY: dict[str, Any] = {
    "auto_topup_trigger": "balance_below_threshold",
    "auto_topup_min_balance": 10,
    "auto_topup_amount": 50,
}


def create(engine: Engine, **terms: Any) -> None:
    done(engine, "wallets.create", wallet_id="w", scale=0, **{**POLICY, **terms})


def scan(engine: Engine) -> int:
    """How many wallets it topped up."""
    before = len(auto(engine))
    autotopup.scan(applier(engine), 100)
    return len(auto(engine)) - before


def auto(engine: Engine) -> list[dict[str, Any]]:
    return rows(
        engine, "select j.id, e.amount from jobs j join entries e on e.job_id = j.id where name like 'autotopup%'"
    )


def cooled_down(engine: Engine) -> None:
    """An hour passes for the wallet."""
    execute_resealed(
        engine,
        "update policies set topped_up_at = topped_up_at - interval '1 hour', due_at = due_at - interval '1 hour'",
    )


def add(engine: Engine, credits: int, **fields: Any) -> str:
    common = {"wallet_id": "w", "credits_to_add": credits, "transaction_reason": "INVOICE_REFUND"}
    return str(done(engine, "wallets.top_up", **common, **fields)["job_id"])


def test_a_new_wallet_at_nothing_is_filled_once(engine: Engine) -> None:
    create(engine)
    assert (scan(engine), scan(engine)) == (1, 0)
    assert balance(engine, "wallet:w") == 50


@pytest.mark.parametrize(
    ("has", "asked", "topped_up"),
    [(14, 15, 1), (10, 11, 1), (14, 64, 1), (14, 65, 0), (14, 10**9, 0), (10, 10, 1)],
    ids=["a little short", "exactly at the minimum", "just coverable", "not coverable", "a mistake", "applied"],
)
def test_a_debit_that_one_top_up_would_cover(engine: Engine, has: int, asked: int, topped_up: int) -> None:
    create(engine, auto_topup_trigger="disabled")
    add(engine, has)
    done(engine, "wallets.update", wallet_id="w", auto_topup_trigger="balance_below_threshold")
    assert scan(engine) == 0, "it is not below the minimum"
    ask(engine, "wallets.debit", wallet_id="w", credits=asked)
    assert (scan(engine), scan(engine)) == (topped_up, 0)


def test_a_hold_that_is_refused_and_one_that_lowers_the_level(engine: Engine) -> None:
    create(engine)
    scan(engine)
    assert ask(engine, "wallets.hold", wallet_id="w", credits=60)["code"] == "insufficient_funds"
    cooled_down(engine)
    assert scan(engine) == 1
    done(engine, "wallets.hold", wallet_id="w", credits=95)
    cooled_down(engine)
    assert scan(engine) == 1, "what is held cannot be spent"


def test_a_top_up_that_does_not_reach_the_minimum_is_followed_after_the_cooldown(engine: Engine) -> None:
    create(engine, auto_topup_amount=4)
    assert (scan(engine), scan(engine)) == (1, 0)
    for expected in (1, 1, 0, 0):
        cooled_down(engine)
        assert scan(engine) == expected
    assert balance(engine, "wallet:w") == 12


def test_a_debt_within_the_floor_is_filled_up_step_by_step(engine: Engine) -> None:
    create(engine, floor=-1000, auto_topup_amount=500)
    scan(engine)
    done(engine, "wallets.debit", wallet_id="w", credits=1400)
    for _ in range(4):
        cooled_down(engine)
        scan(engine)
    assert balance(engine, "wallet:w") == 100


def test_a_refund_is_not_bought_again(engine: Engine) -> None:
    create(engine)
    scan(engine)
    [bought] = auto(engine)
    assert done(engine, "entries.reverse", job_id=str(bought["id"]), credits=45)["code"] == "applied"
    assert rows(engine, "select suspended, due_at from policies") == [{"suspended": "refunded", "due_at": None}]
    done(engine, "wallets.debit", wallet_id="w", credits=5)
    ask(engine, "wallets.debit", wallet_id="w", credits=5)
    cooled_down(engine)
    assert scan(engine) == 0
    done(engine, "wallets.update", wallet_id="w", name="still suspended")
    assert scan(engine) == 0
    done(engine, "wallets.update", wallet_id="w", auto_topup_trigger="balance_below_threshold")
    cooled_down(engine)
    assert scan(engine) == 1, "who switches it on again wants it"


@pytest.mark.parametrize("swept", [True, False])
def test_what_expires_is_noticed_by_time(engine: Engine, swept: bool) -> None:
    create(engine, auto_topup_trigger="disabled")
    grant = add(engine, 40, expiry_date_utc="2999-01-01")
    done(engine, "wallets.update", wallet_id="w", auto_topup_trigger="balance_below_threshold")
    assert rows(engine, "select w.due_at = g.expires_at as then from policies w, grants g") == [{"then": True}]
    assert scan(engine) == 0
    let_expire(engine, grant)
    execute_resealed(engine, "update policies set due_at = clock_timestamp()")
    if swept:
        sweep(engine)
    assert scan(engine) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"wallet_status": "active"},
        {"auto_topup_min_balance": 60},
    ],
    ids=["thawed", "raised"],
)
def test_terms_that_change_are_looked_at(engine: Engine, change: dict[str, Any]) -> None:
    create(engine, auto_topup_trigger="disabled")
    add(engine, 50 if "auto_topup_min_balance" in change else 5)
    terms: dict[str, Any] = {"wallet_status": "frozen"} if "wallet_status" in change else {}
    done(engine, "wallets.update", wallet_id="w", auto_topup_trigger="balance_below_threshold", **terms)
    assert scan(engine) == 0
    done(engine, "wallets.update", wallet_id="w", **change)
    assert scan(engine) == 1


def test_a_reversal_that_lowers_the_level_is_looked_at(engine: Engine) -> None:
    create(engine, auto_topup_trigger="disabled")
    gift = add(engine, 30)
    done(engine, "wallets.update", wallet_id="w", auto_topup_trigger="balance_below_threshold")
    done(engine, "entries.reverse", job_id=gift)
    assert scan(engine) == 1
    assert [entry["amount"] for entry in entries(engine, "wallet:w")] == [30, -30, 50]


def test_looks_cost_what_is_due_and_not_what_exists(engine: Engine) -> None:
    create(engine)
    scan(engine)
    jobs = len(rows(engine, "select 1 from jobs"))
    for _ in range(3):
        assert scan(engine) == 0
    assert len(rows(engine, "select 1 from jobs")) == jobs, "nobody writes that nothing is due"
