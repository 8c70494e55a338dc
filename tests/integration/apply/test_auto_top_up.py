"""Auto top-up is about the level: whatever brought the wallet there, the scan fills it, once a look."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.builders import ask, balance, done, entries, let_expire, sweep, take_looks
from tests.support.ledgers import Ledger, kept, let_time, move_back

POLICY: dict[str, Any] = {
    "auto_topup_trigger": "balance_below_threshold",
    "auto_topup_min_balance": 10,
    "auto_topup_amount": 50,
}


def create(ledger: Ledger, **terms: Any) -> None:
    done(ledger, "wallets.create", wallet_id="w", scale=0, **{**POLICY, **terms})


def scan(ledger: Ledger) -> int:
    """How many wallets it topped up."""
    before = len(auto(ledger))
    take_looks(ledger)
    return len(auto(ledger)) - before


def auto(ledger: Ledger) -> list[dict[str, Any]]:
    looks = {each["id"] for each in kept(ledger, "jobs", "id", "name") if each["name"].startswith("autotopup")}
    return [{"id": each["job_id"], **each} for each in entries(ledger, "wallet:w") if each["job_id"] in looks]


def cooled_down(ledger: Ledger) -> None:
    """An hour passes for the wallet."""
    move_back(ledger, "policies", timedelta(hours=1), "topped_up_at", "due_at")


def add(ledger: Ledger, credits: int, **fields: Any) -> str:
    common = {"wallet_id": "w", "credits_to_add": credits, "transaction_reason": "INVOICE_REFUND"}
    return str(done(ledger, "wallets.top_up", **common, **fields)["job_id"])


def test_a_new_wallet_at_nothing_is_filled_once(ledger: Ledger) -> None:
    create(ledger)
    assert (scan(ledger), scan(ledger)) == (1, 0)
    assert balance(ledger, "wallet:w") == 50


@pytest.mark.parametrize(
    ("has", "asked", "topped_up"),
    [(14, 15, 1), (10, 11, 1), (14, 64, 1), (14, 65, 0), (14, 10**9, 0), (10, 10, 1)],
    ids=["a little short", "exactly at the minimum", "just coverable", "not coverable", "a mistake", "applied"],
)
def test_a_debit_that_one_top_up_would_cover(ledger: Ledger, has: int, asked: int, topped_up: int) -> None:
    create(ledger, auto_topup_trigger="disabled")
    add(ledger, has)
    done(ledger, "wallets.update", wallet_id="w", auto_topup_trigger="balance_below_threshold")
    assert scan(ledger) == 0, "it is not below the minimum"
    ask(ledger, "wallets.debit", wallet_id="w", credits=asked)
    assert (scan(ledger), scan(ledger)) == (topped_up, 0)


def test_a_hold_that_is_refused_and_one_that_lowers_the_level(ledger: Ledger) -> None:
    create(ledger)
    scan(ledger)
    assert ask(ledger, "wallets.hold", wallet_id="w", credits=60)["code"] == "insufficient_funds"
    cooled_down(ledger)
    assert scan(ledger) == 1
    done(ledger, "wallets.hold", wallet_id="w", credits=95)
    cooled_down(ledger)
    assert scan(ledger) == 1, "what is held cannot be spent"


def test_a_top_up_that_does_not_reach_the_minimum_is_followed_after_the_cooldown(ledger: Ledger) -> None:
    create(ledger, auto_topup_amount=4)
    assert (scan(ledger), scan(ledger)) == (1, 0)
    for expected in (1, 1, 0, 0):
        cooled_down(ledger)
        assert scan(ledger) == expected
    assert balance(ledger, "wallet:w") == 12


def test_a_debt_within_the_floor_is_filled_up_step_by_step(ledger: Ledger) -> None:
    create(ledger, floor=-1000, auto_topup_amount=500)
    scan(ledger)
    done(ledger, "wallets.debit", wallet_id="w", credits=1400)
    for _ in range(4):
        cooled_down(ledger)
        scan(ledger)
    assert balance(ledger, "wallet:w") == 100


def test_a_refund_is_not_bought_again(ledger: Ledger) -> None:
    create(ledger)
    scan(ledger)
    [bought] = auto(ledger)
    assert done(ledger, "entries.reverse", job_id=str(bought["id"]), credits=45)["code"] == "applied"
    assert kept(ledger, "policies", "suspended", "due_at") == [{"suspended": "refunded", "due_at": None}]
    done(ledger, "wallets.debit", wallet_id="w", credits=5)
    ask(ledger, "wallets.debit", wallet_id="w", credits=5)
    cooled_down(ledger)
    assert scan(ledger) == 0
    done(ledger, "wallets.update", wallet_id="w", name="still suspended")
    assert scan(ledger) == 0
    done(ledger, "wallets.update", wallet_id="w", auto_topup_trigger="balance_below_threshold")
    cooled_down(ledger)
    assert scan(ledger) == 1, "who switches it on again wants it"


@pytest.mark.parametrize("swept", [True, False])
def test_what_expires_is_noticed_by_time(ledger: Ledger, swept: bool) -> None:
    create(ledger, auto_topup_trigger="disabled")
    grant = add(ledger, 40, expiry_date_utc="2999-01-01")
    done(ledger, "wallets.update", wallet_id="w", auto_topup_trigger="balance_below_threshold")
    assert kept(ledger, "policies")[0]["due_at"] == kept(ledger, "grants")[0]["expires_at"]
    assert scan(ledger) == 0
    let_expire(ledger, grant)
    let_time(ledger, "policies", "due_at")
    if swept:
        sweep(ledger)
    assert scan(ledger) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"wallet_status": "active"},
        {"auto_topup_min_balance": 60},
    ],
    ids=["thawed", "raised"],
)
def test_terms_that_change_are_looked_at(ledger: Ledger, change: dict[str, Any]) -> None:
    create(ledger, auto_topup_trigger="disabled")
    add(ledger, 50 if "auto_topup_min_balance" in change else 5)
    terms: dict[str, Any] = {"wallet_status": "frozen"} if "wallet_status" in change else {}
    done(ledger, "wallets.update", wallet_id="w", auto_topup_trigger="balance_below_threshold", **terms)
    assert scan(ledger) == 0
    done(ledger, "wallets.update", wallet_id="w", **change)
    assert scan(ledger) == 1


def test_a_reversal_that_lowers_the_level_is_looked_at(ledger: Ledger) -> None:
    create(ledger, auto_topup_trigger="disabled")
    gift = add(ledger, 30)
    done(ledger, "wallets.update", wallet_id="w", auto_topup_trigger="balance_below_threshold")
    done(ledger, "entries.reverse", job_id=gift)
    assert scan(ledger) == 1
    assert [entry["amount"] for entry in entries(ledger, "wallet:w")] == [30, -30, 50]


def test_looks_cost_what_is_due_and_not_what_exists(ledger: Ledger) -> None:
    create(ledger)
    scan(ledger)
    jobs = len(kept(ledger, "jobs"))
    for _ in range(3):
        assert scan(ledger) == 0
    assert len(kept(ledger, "jobs")) == jobs, "nobody writes that nothing is due"
