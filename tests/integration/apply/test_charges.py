"""Charges through the path: one open at a time, credited once, whatever comes together in a batch."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine

from models.domain.accounts import AccountKey, Kind
from models.domain.errors import KeyRace
from models.store.write import journals as records
from tasks.apply.path import apply, decide_jobs
from tasks.auto_topup.scan import look_job
from tests.integration.apply.charging import (
    ASKED,
    LEVEL,
    agree,
    agreeing,
    charges,
    codes,
    now,
    policy,
    scan,
    settled_by_us,
    switched,
    told,
    wallet,
)
from tests.integration.store.racing import engine_of_its_own, wait_until_blocked
from tests.support.builders import LIMITS, balance, done, job, rows, settle
from tests.support.resealed import execute_resealed

# --- one open at a time


def test_in_one_batch_one_charge_is_made(engine: Engine) -> None:
    wallet(engine, **ASKED)
    crossing = policy(engine)["crossing"]
    key = AccountKey(Kind.WALLET, "w")
    documents = settle(
        engine, look_job(key, crossing), now(), look_job(key, crossing), look_job(key, crossing + 1), now()
    )
    first, *rest = codes(documents)
    assert first == "applied"
    assert rest == ["top_up_held", "applied", "top_up_not_due", "top_up_held"]
    assert documents[2]["replayed"], "the same look is the same job"
    assert charges(engine) == [("pending", 50)]


def test_run_now_before_the_look_of_the_same_batch(engine: Engine) -> None:
    wallet(engine, **ASKED)
    look = look_job(AccountKey(Kind.WALLET, "w"), policy(engine)["crossing"])
    assert codes(settle(engine, now(), look)) == ["applied", "top_up_not_due"]
    assert charges(engine) == [("pending", 50)]


def test_accounts_of_one_batch_have_charges_of_their_own(engine: Engine) -> None:
    done(engine, "users.upsert", user_id=7)
    for name in ("a", "b"):
        wallet(engine, name, **ASKED, monthly_cap=99)
    done(engine, "auto_topup.set_policy", account="user:7", **ASKED, monthly_cap=99)
    ours = [now("a"), now("b"), job("auto_topup.run_now", account="user:7")]
    documents = settle(engine, *ours)
    settled = settle(engine, *(told(document["job_id"], "succeeded") for document in documents))
    assert codes(settled) == ["applied"] * 3
    assert codes(settle(engine, *(now(name) for name in ("a", "b")))) == ["top_up_held"] * 2, "each has its cap"
    assert [balance(engine, name) for name in ("wallet:a", "wallet:b", "user:7")] == [50, 50, 5000]
    assert [row[0] for row in charges(engine, "amount")] == [5000] * 3


def test_a_cap_within_one_batch(engine: Engine) -> None:
    wallet(engine, **LEVEL, monthly_cap=120)
    assert codes(settle(engine, now(), now(), now())) == ["applied", "applied", "top_up_held"]
    assert balance(engine, "wallet:w") == 100


def test_settled_looked_at_and_terminated_in_one_batch(engine: Engine) -> None:
    wallet(engine, **ASKED)
    scan(engine)
    [(fired,)] = charges(engine, "cast(id as text)")
    look = look_job(AccountKey(Kind.WALLET, "w"), policy(engine)["crossing"] + 1)
    terminate, again = (job("wallets.terminate", wallet_id="w") for _ in range(2))
    refused, *rest = codes(settle(engine, terminate, told(fired, "succeeded"), look, again))
    assert (refused, rest) == ("charge_open", ["applied", "top_up_not_due", "applied"])
    assert (balance(engine, "wallet:w"), charges(engine)) == (0, [("succeeded", 50)])
    assert codes(settle(engine, told(fired, "refunded"), now())) == ["wallet_closed", "top_up_held"]


def test_made_and_given_up_in_one_batch(engine: Engine) -> None:
    wallet(engine, **ASKED)
    cancel = job("auto_topup.cancel", account="wallet:w")
    assert codes(settle(engine, now(), cancel, agreeing(**ASKED), now())) == ["applied"] * 4
    assert charges(engine) == [("void", 50), ("pending", 50)]
    assert rows(engine, "select count(*) from charges where ask_at is not null") == [{"count": 1}]


# --- settled once


@pytest.mark.parametrize("together", [True, False])
def test_told_twice_by_two_keys_it_is_credited_once(engine: Engine, together: bool) -> None:
    wallet(engine, **ASKED)
    fired = done(engine, "auto_topup.run_now", account="wallet:w")["job_id"]
    webhook, ours = told(fired, "succeeded", idempotency_key="evt_1", reference="pi_1"), settled_by_us(fired)
    batches = [[webhook, ours, webhook]] if together else [[webhook], [ours], [webhook]]
    documents = [document for batch in batches for document in settle(engine, *batch)]
    assert codes(documents) == ["applied", "unchanged", "applied"]
    assert [document["replayed"] for document in documents] == [False, False, True]
    assert balance(engine, "wallet:w") == 50
    assert codes(settle(engine, told(fired, "declined"))) == ["charge_settled"]


def test_succeeded_and_given_back_in_one_batch(engine: Engine) -> None:
    wallet(engine, **ASKED)
    fired = done(engine, "auto_topup.run_now", account="wallet:w")["job_id"]
    spent = job("wallets.debit", wallet_id="w", credits=50)
    jobs = [told(fired, "succeeded"), spent, told(fired, "refunded"), told(fired, "refunded"), told(fired, "succeeded")]
    assert codes(settle(engine, *jobs)) == ["applied", "applied", "applied", "unchanged", "unchanged"]
    assert (balance(engine, "wallet:w"), charges(engine)) == (-50, [("refunded", 50)])
    assert (policy(engine)["suspended"], policy(engine)["due_at"]) == ("refunded", None)
    scan(engine)
    assert len(charges(engine)) == 1, "it is not bought again"


def test_what_a_job_took_back_is_not_taken_twice_by_its_refund(engine: Engine) -> None:
    wallet(engine, **ASKED)
    fired = done(engine, "auto_topup.run_now", account="wallet:w")["job_id"]
    credited = done(engine, "charges.settle", charge_id=fired, status="succeeded")["job_id"]
    done(engine, "entries.reverse", job_id=credited, credits=20)
    done(engine, "auto_topup.resume", account="wallet:w")
    done(engine, "entries.reverse", job_id=credited)
    done(engine, "auto_topup.resume", account="wallet:w")
    assert done(engine, "charges.settle", charge_id=fired, status="refunded")["entry"] is None
    assert (balance(engine, "wallet:w"), policy(engine)["suspended"]) == (0, "refunded")


@pytest.mark.parametrize("status", ["declined", "void"])
def test_what_was_given_up_and_succeeded_after_all_is_credited(engine: Engine, status: str) -> None:
    wallet(engine, **ASKED)
    fired = done(engine, "auto_topup.run_now", account="wallet:w")["job_id"]
    assert codes(settle(engine, told(fired, status))) == ["applied"]
    second = done(engine, "auto_topup.run_now", account="wallet:w")["job_id"]
    assert codes(settle(engine, told(fired, "succeeded"), told(second, "succeeded"))) == ["applied", "applied"]
    assert balance(engine, "wallet:w") == 100


def test_a_charge_that_was_credited_while_a_refund_waited_is_read_again(engine: Engine) -> None:
    wallet(engine, **ASKED)
    fired = done(engine, "auto_topup.run_now", account="wallet:w")["job_id"]
    refund = told(fired, "refunded")
    url = engine.url.render_as_string(hide_password=False)
    with ThreadPoolExecutor(1) as pool, engine_of_its_own(url) as other, other.connect() as first:
        unit = decide_jobs(first, [told(fired, "succeeded")], LIMITS)
        unit.write(first, records.take(first) if unit.recorded else None)
        waiting = pool.submit(apply, engine, [refund], LIMITS)
        wait_until_blocked(engine)
        first.commit()
        with pytest.raises(KeyRace, match="was credited while this batch waited"):
            waiting.result(30)
    assert codes(settle(engine, refund)) == ["applied"]
    assert (balance(engine, "wallet:w"), charges(engine)) == (0, [("refunded", 50)])


# --- switched off


def test_while_charging_is_paused_nothing_is_made_and_then_it_goes_on(engine: Engine) -> None:
    wallet(engine, **LEVEL)
    look = look_job(AccountKey(Kind.WALLET, "w"), policy(engine)["crossing"])
    switched(engine, on=False)
    scan(engine)
    assert codes(settle(engine, now(), look)) == ["top_up_held", "unchanged"]
    assert (charges(engine), policy(engine)["reason"]) == ([], "charging_paused")
    switched(engine, on=True)
    scan(engine)
    assert charges(engine) == [], "in a minute"
    execute_resealed(engine, "update policies set due_at = due_at - interval '1 minute'")
    scan(engine)
    assert charges(engine) == [("succeeded", 50)]


# --- the wallet's three fields


def test_the_three_fields_and_the_policy_are_one(engine: Engine) -> None:
    wallet(engine, **{**LEVEL, "amount": None}, target_balance=60)
    body = done(engine, "wallets.update", wallet_id="w", auto_topup_min_balance=20, auto_topup_amount=30)["response"]
    assert (body["auto_topup_trigger"], body["auto_topup_min_balance"], body["auto_topup_amount"]) == (
        "balance_below_threshold", 20, 30,
    )  # fmt: skip
    kept = policy(engine)
    assert (kept["threshold"], kept["amount"], kept["target"], kept["version"]) == (20, 30, None, 2)
    agree(engine, trigger="disabled")
    body = done(engine, "wallets.update", wallet_id="w", name="x")["response"]
    assert (body["auto_topup_trigger"], body["auto_topup_min_balance"]) == ("disabled", None)
