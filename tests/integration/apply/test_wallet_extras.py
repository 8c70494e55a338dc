"""Terms beyond the plain ones: bonus credits, credits that begin later, overdraft, price types, voiding, origin."""

from typing import Any

import pytest
from sqlalchemy import Engine

from tests.support.builders import ask, balance, done, entries, grants_left, rows, shown, sweep
from tests.support.resealed import execute_resealed

FAR = "2999-01-01"


@pytest.fixture
def wallet(engine: Engine) -> str:
    done(engine, "wallets.create", wallet_id="w", scale=0, floor=-10)
    return "wallet:w"


def top_up(engine: Engine, credits: int, **fields: Any) -> dict[str, Any]:
    common = {"wallet_id": "w", "credits_to_add": credits, "transaction_reason": "PURCHASED_CREDIT_DIRECT"}
    return done(engine, "wallets.top_up", **{**common, **fields})


def test_a_bonus_is_a_second_entry_of_the_same_job(engine: Engine, wallet: str) -> None:
    document = top_up(engine, 100, bonus_credits_to_add=20, bonus_expiry_date_utc=FAR)
    assert (document["entry"]["amount"], document["entry"]["origin"]) == (100, "purchased")
    assert (document["bonus_entry"]["amount"], document["bonus_entry"]["origin"]) == (20, "free")
    assert document["response"]["credit_balance"] == 120
    first, second = entries(engine, wallet)
    assert first["job_id"] == second["job_id"]
    assert (first["part"], second["part"], second["reason"]) == (0, 1, "PURCHASED_CREDIT_BONUS")
    assert grants_left(engine) == {second["grant_id"]: 20}


def test_a_bonus_goes_with_its_top_up(engine: Engine, wallet: str) -> None:
    document = top_up(engine, 100, bonus_credits_to_add=20, bonus_expiry_date_utc=FAR)
    part = done(engine, "entries.reverse", job_id=document["job_id"], credits=30)
    assert part["entry"]["amount"] == -30
    assert "bonus_entry" not in part
    whole = done(engine, "entries.reverse", job_id=document["job_id"])
    assert (whole["entry"]["amount"], whole["bonus_entry"]["amount"]) == (-70, -20)
    assert (balance(engine, wallet), list(grants_left(engine).values())) == (0, [0])
    assert ask(engine, "entries.reverse", job_id=document["job_id"])["code"] == "unchanged"


@pytest.mark.parametrize("reason", ["FREE_CREDIT_GRANT", "SUBSCRIPTION_CREDIT_GRANT", "PURCHASED_CREDIT_BONUS"])
def test_free_credits_are_told_apart(engine: Engine, wallet: str, reason: str) -> None:
    assert top_up(engine, 1, transaction_reason=reason)["entry"]["origin"] == "free"
    assert "origin" not in done(engine, "wallets.debit", wallet_id="w", credits=1)["entry"]


def test_credits_that_begin_later_count_from_then(engine: Engine, wallet: str) -> None:
    document = top_up(engine, 100, effective_at="2998-01-01T00:00:00Z")
    assert (document["entry"]["balance_after"], document["response"]["credit_balance"]) == (100, 0)
    assert ask(engine, "wallets.debit", wallet_id="w", credits=11)["code"] == "insufficient_funds"
    assert sweep(engine) == 0
    execute_resealed(engine, "update grants set effective_at = clock_timestamp()")
    assert shown(engine) == (100, 0, 100)
    assert (sweep(engine), sweep(engine)) == (1, 0)
    assert rows(engine, "select pending from grants") == [{"pending": False}]
    assert done(engine, "wallets.debit", wallet_id="w", credits=11)["response"]["credit_balance"] == 89


def test_credits_must_begin_before_they_expire(engine: Engine, wallet: str) -> None:
    common = {"wallet_id": "w", "credits_to_add": 1, "transaction_reason": "CREDIT_NOTE"}
    document = ask(
        engine, "wallets.top_up", **common, effective_at="2999-01-01T00:00:00Z", expiry_date_utc="2998-01-01"
    )
    assert document["code"] == "expiry_not_in_future"
    assert top_up(engine, 1, effective_at="2020-01-01T00:00:00Z")["response"]["credit_balance"] == 1
    assert grants_left(engine) == {}, "what has begun already is plain"


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
def test_overdraft(engine: Engine, wallet: str, allowed: bool, asked: dict[str, Any], code: str) -> None:
    done(engine, "wallets.update", wallet_id="w", overdraft_allowed=allowed)
    assert ask(engine, "wallets.debit", wallet_id="w", **asked)["code"] == code


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
    engine: Engine, wallet: str, allowed: list[str], price_type: str | None, code: str
) -> None:
    done(engine, "wallets.update", wallet_id="w", config={"allowed_price_types": allowed})
    for name in ("wallets.debit", "wallets.hold"):
        assert ask(engine, name, wallet_id="w", credits=1, price_type=price_type)["code"] == code


def test_voiding_takes_what_is_left_and_says_who_decided_it(engine: Engine, wallet: str) -> None:
    grant = top_up(engine, 30, priority=0)["job_id"]
    done(engine, "wallets.debit", wallet_id="w", credits=12)
    asked = {"wallet_id": "w", "job_id": grant, "reason": "Given by mistake", "operator": "support-7"}
    document = done(engine, "grants.void", **asked)
    assert (document["entry"]["amount"], document["response"]["credit_balance"]) == (-18, 0)
    entry = entries(engine, wallet)[2]
    assert (entry["kind"], entry["reason"], entry["description"]) == ("void", "CREDIT_VOIDED", "Given by mistake")
    assert entry["metadata"] == {"operator": "support-7"}
    assert done(engine, "grants.void", **asked)["code"] == "unchanged"
    assert ask(engine, "grants.void", **{**asked, "bonus": True})["code"] == "grant_not_found"


def test_the_grant_of_a_bonus_is_voided_by_itself(engine: Engine, wallet: str) -> None:
    document = top_up(engine, 100, priority=1, bonus_credits_to_add=20, bonus_expiry_date_utc=FAR)
    asked = {"wallet_id": "w", "job_id": document["job_id"], "bonus": True, "reason": "x", "operator": "o"}
    assert done(engine, "grants.void", **asked)["entry"]["amount"] == -20
    assert shown(engine) == (100, 0, 100)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "", "europe/riga"])
def test_a_time_zone_that_is_not_there_is_refused(engine: Engine, zone: str) -> None:
    assert ask(engine, "wallets.create", wallet_id="z", timezone=zone)["code"] == "invalid_request"


def test_a_decrease_only_app_rises_by_a_forced_reversal_alone(engine: Engine) -> None:
    done(engine, "apps.upsert", app_id="a", store_id=1)
    done(engine, "apps.update_balance", app_id="a", store_id=1, balance=100)
    done(engine, "apps.upsert", app_id="a", store_id=1, decrease_only=True)
    lowered = done(engine, "apps.update_balance", app_id="a", store_id=1, balance=40)["job_id"]
    assert ask(engine, "entries.reverse", job_id=lowered)["code"] == "decrease_only"
    assert done(engine, "entries.reverse", job_id=lowered, force=True, amount=10)["code"] == "applied"
    assert balance(engine, "app:a/1") == 50
