"""Terms beyond the plain ones: bonus credits, credits that begin later, overdraft, price types, voiding, origin."""

from typing import Any

import pytest

from tests.support.builders import ask, balance, done, entries, grants_left, shown, sweep
from tests.support.ledgers import Ledger, kept, let_time

FAR = "2999-01-01"


@pytest.fixture
def wallet(ledger: Ledger) -> str:
    done(ledger, "wallets.create", wallet_id="w", scale=0, floor=-10)
    return "wallet:w"


def top_up(ledger: Ledger, credits: int, **fields: Any) -> dict[str, Any]:
    common = {"wallet_id": "w", "credits_to_add": credits, "transaction_reason": "PURCHASED_CREDIT_DIRECT"}
    return done(ledger, "wallets.top_up", **{**common, **fields})


def test_a_bonus_is_a_second_entry_of_the_same_job(ledger: Ledger, wallet: str) -> None:
    document = top_up(ledger, 100, bonus_credits_to_add=20, bonus_expiry_date_utc=FAR)
    assert (document["entry"]["amount"], document["entry"]["origin"]) == (100, "purchased")
    assert (document["bonus_entry"]["amount"], document["bonus_entry"]["origin"]) == (20, "free")
    assert document["response"]["credit_balance"] == 120
    first, second = entries(ledger, wallet)
    assert first["job_id"] == second["job_id"]
    assert (first["part"], second["part"], second["reason"]) == (0, 1, "PURCHASED_CREDIT_BONUS")
    assert grants_left(ledger) == {second["grant_id"]: 20}


def test_a_bonus_goes_with_its_top_up(ledger: Ledger, wallet: str) -> None:
    document = top_up(ledger, 100, bonus_credits_to_add=20, bonus_expiry_date_utc=FAR)
    part = done(ledger, "entries.reverse", job_id=document["job_id"], credits=30)
    assert part["entry"]["amount"] == -30
    assert "bonus_entry" not in part
    whole = done(ledger, "entries.reverse", job_id=document["job_id"])
    assert (whole["entry"]["amount"], whole["bonus_entry"]["amount"]) == (-70, -20)
    assert (balance(ledger, wallet), list(grants_left(ledger).values())) == (0, [0])
    assert ask(ledger, "entries.reverse", job_id=document["job_id"])["code"] == "unchanged"


@pytest.mark.parametrize("reason", ["FREE_CREDIT_GRANT", "SUBSCRIPTION_CREDIT_GRANT", "PURCHASED_CREDIT_BONUS"])
def test_free_credits_are_told_apart(ledger: Ledger, wallet: str, reason: str) -> None:
    assert top_up(ledger, 1, transaction_reason=reason)["entry"]["origin"] == "free"
    assert "origin" not in done(ledger, "wallets.debit", wallet_id="w", credits=1)["entry"]


def test_credits_that_begin_later_count_from_then(ledger: Ledger, wallet: str) -> None:
    document = top_up(ledger, 100, effective_at="2998-01-01T00:00:00Z")
    assert (document["entry"]["balance_after"], document["response"]["credit_balance"]) == (100, 0)
    assert ask(ledger, "wallets.debit", wallet_id="w", credits=11)["code"] == "insufficient_funds"
    assert sweep(ledger) == 0
    let_time(ledger, "grants", "effective_at")
    assert shown(ledger) == (100, 0, 100)
    assert (sweep(ledger), sweep(ledger)) == (1, 0)
    assert kept(ledger, "grants", "pending") == [{"pending": False}]
    assert done(ledger, "wallets.debit", wallet_id="w", credits=11)["response"]["credit_balance"] == 89


def test_credits_must_begin_before_they_expire(ledger: Ledger, wallet: str) -> None:
    common = {"wallet_id": "w", "credits_to_add": 1, "transaction_reason": "CREDIT_NOTE"}
    document = ask(
        ledger, "wallets.top_up", **common, effective_at="2999-01-01T00:00:00Z", expiry_date_utc="2998-01-01"
    )
    assert document["code"] == "expiry_not_in_future"
    assert top_up(ledger, 1, effective_at="2020-01-01T00:00:00Z")["response"]["credit_balance"] == 1
    assert grants_left(ledger) == {}, "what has begun already is plain"


@pytest.mark.parametrize(
    ("allowed", "asked", "code"),
    [
        (True, {"credits": 30, "overdraft": 20}, "applied"),
        (True, {"credits": 31, "overdraft": 20}, "insufficient_funds"),
        (True, {"credits": 11}, "insufficient_funds"),
        (False, {"credits": 11, "overdraft": 20}, "overdraft_not_allowed"),
        (False, {"credits": 10, "overdraft": 20}, "applied"),
    ],
    ids=["allowed", "beyond it", "not asked for", "not allowed", "not needed"],
)
def test_overdraft(ledger: Ledger, wallet: str, allowed: bool, asked: dict[str, Any], code: str) -> None:
    done(ledger, "wallets.update", wallet_id="w", overdraft_allowed=allowed)
    assert ask(ledger, "wallets.debit", wallet_id="w", **asked)["code"] == code


@pytest.mark.parametrize(
    ("allowed", "price_type", "code"),
    [
        (["ALL"], "USAGE", "applied"),
        (["USAGE"], "USAGE", "applied"),
        (["USAGE"], "FIXED", "price_type_not_allowed"),
        (["USAGE", "FIXED"], "FIXED", "applied"),
        ([], "FIXED", "price_type_not_allowed"),
        (["USAGE"], None, "applied"),
    ],
)
def test_price_types_are_enforced_on_who_says_them(
    ledger: Ledger, wallet: str, allowed: list[str], price_type: str | None, code: str
) -> None:
    done(ledger, "wallets.update", wallet_id="w", config={"allowed_price_types": allowed})
    for name in ("wallets.debit", "wallets.hold"):
        assert ask(ledger, name, wallet_id="w", credits=1, price_type=price_type)["code"] == code


def test_voiding_takes_what_is_left_and_says_who_decided_it(ledger: Ledger, wallet: str) -> None:
    grant = top_up(ledger, 30, priority=0)["job_id"]
    done(ledger, "wallets.debit", wallet_id="w", credits=12)
    asked = {"wallet_id": "w", "job_id": grant, "reason": "Given by mistake", "operator": "support-7"}
    document = done(ledger, "grants.void", **asked)
    assert (document["entry"]["amount"], document["response"]["credit_balance"]) == (-18, 0)
    entry = entries(ledger, wallet)[2]
    assert (entry["kind"], entry["reason"], entry["description"]) == ("void", "CREDIT_VOIDED", "Given by mistake")
    assert entry["metadata"] == {"operator": "support-7"}
    assert done(ledger, "grants.void", **asked)["code"] == "unchanged"
    assert ask(ledger, "grants.void", **{**asked, "bonus": True})["code"] == "grant_not_found"


def test_the_grant_of_a_bonus_is_voided_by_itself(ledger: Ledger, wallet: str) -> None:
    document = top_up(ledger, 100, priority=1, bonus_credits_to_add=20, bonus_expiry_date_utc=FAR)
    asked = {"wallet_id": "w", "job_id": document["job_id"], "bonus": True, "reason": "x", "operator": "o"}
    assert done(ledger, "grants.void", **asked)["entry"]["amount"] == -20
    assert shown(ledger) == (100, 0, 100)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "", "europe/riga"])
def test_a_time_zone_that_is_not_there_is_refused(ledger: Ledger, zone: str) -> None:
    assert ask(ledger, "wallets.create", wallet_id="z", timezone=zone)["code"] == "invalid_request"


def test_a_decrease_only_app_rises_by_a_forced_reversal_alone(ledger: Ledger) -> None:
    done(ledger, "apps.upsert", app_id="a", store_id=1)
    done(ledger, "apps.update_balance", app_id="a", store_id=1, balance=100)
    done(ledger, "apps.upsert", app_id="a", store_id=1, decrease_only=True)
    lowered = done(ledger, "apps.update_balance", app_id="a", store_id=1, balance=40)["job_id"]
    assert ask(ledger, "entries.reverse", job_id=lowered)["code"] == "decrease_only"
    assert done(ledger, "entries.reverse", job_id=lowered, force=True, amount=10)["code"] == "applied"
    assert balance(ledger, "app:a/1") == 50
