"""Charges through the path: one open at a time, credited once, whatever comes together in a batch."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from models.batch.system_jobs import look_job
from models.domain.accounts import AccountKey, Kind
from models.domain.errors import KeyRace
from models.store.write import journals as records
from tasks.apply.path import apply, decide_jobs
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
from tests.support.ledgers import Ledger, move_back

# --- one open at a time


def test_in_one_batch_one_charge_is_made(ledger: Ledger) -> None:
    wallet(ledger, **ASKED)
    crossing = policy(ledger)["crossing"]
    key = AccountKey(Kind.WALLET, "w")
    documents = settle(
        ledger, look_job(key, crossing), now(), look_job(key, crossing), look_job(key, crossing + 1), now()
    )
    first, *rest = codes(documents)
    assert first == "applied"
    assert rest == ["top_up_held", "applied", "top_up_not_due", "top_up_held"]
    assert documents[2]["replayed"], "the same look is the same job"
    assert charges(ledger) == [("pending", 50)]


def test_run_now_before_the_look_of_the_same_batch(ledger: Ledger) -> None:
    wallet(ledger, **ASKED)
    look = look_job(AccountKey(Kind.WALLET, "w"), policy(ledger)["crossing"])
    assert codes(settle(ledger, now(), look)) == ["applied", "top_up_not_due"]
    assert charges(ledger) == [("pending", 50)]


def test_accounts_of_one_batch_have_charges_of_their_own(ledger: Ledger) -> None:
    done(ledger, "users.upsert", user_id=7)
    for name in ("a", "b"):
        wallet(ledger, name, **ASKED, monthly_cap=99)
    done(ledger, "auto_topup.set_policy", account="user:7", **ASKED, monthly_cap=99)
    ours = [now("a"), now("b"), job("auto_topup.run_now", account="user:7")]
    documents = settle(ledger, *ours)
    settled = settle(ledger, *(told(document["job_id"], "succeeded") for document in documents))
    assert codes(settled) == ["applied"] * 3
    assert codes(settle(ledger, *(now(name) for name in ("a", "b")))) == ["top_up_held"] * 2, "each has its cap"
    assert [balance(ledger, name) for name in ("wallet:a", "wallet:b", "user:7")] == [50, 50, 5000]
    assert [row[0] for row in charges(ledger, "amount")] == [5000] * 3


def test_a_cap_within_one_batch(ledger: Ledger) -> None:
    wallet(ledger, **LEVEL, monthly_cap=120)
    assert codes(settle(ledger, now(), now(), now())) == ["applied", "applied", "top_up_held"]
    assert balance(ledger, "wallet:w") == 100


def test_settled_looked_at_and_terminated_in_one_batch(ledger: Ledger) -> None:
    wallet(ledger, **ASKED)
    scan(ledger)
    [(fired,)] = charges(ledger, "id")
    look = look_job(AccountKey(Kind.WALLET, "w"), policy(ledger)["crossing"] + 1)
    terminate, again = (job("wallets.terminate", wallet_id="w") for _ in range(2))
    refused, *rest = codes(settle(ledger, terminate, told(fired, "succeeded"), look, again))
    assert (refused, rest) == ("charge_open", ["applied", "top_up_not_due", "applied"])
    assert (balance(ledger, "wallet:w"), charges(ledger)) == (0, [("succeeded", 50)])
    assert codes(settle(ledger, told(fired, "refunded"), now())) == ["wallet_closed", "top_up_held"]


def test_made_and_given_up_in_one_batch(ledger: Ledger) -> None:
    wallet(ledger, **ASKED)
    cancel = job("auto_topup.cancel", account="wallet:w")
    assert codes(settle(ledger, now(), cancel, agreeing(**ASKED), now())) == ["applied"] * 4
    assert charges(ledger) == [("void", 50), ("pending", 50)]
    if isinstance(ledger, Engine):
        assert rows(ledger, "select count(*) from charges where ask_at is not null") == [{"count": 1}]


# --- settled once


@pytest.mark.parametrize("together", [True, False])
def test_told_twice_by_two_keys_it_is_credited_once(ledger: Ledger, together: bool) -> None:
    wallet(ledger, **ASKED)
    fired = done(ledger, "auto_topup.run_now", account="wallet:w")["job_id"]
    webhook, ours = told(fired, "succeeded", idempotency_key="evt_1", reference="pi_1"), settled_by_us(fired)
    batches = [[webhook, ours, webhook]] if together else [[webhook], [ours], [webhook]]
    documents = [document for batch in batches for document in settle(ledger, *batch)]
    assert codes(documents) == ["applied", "unchanged", "applied"]
    assert [document["replayed"] for document in documents] == [False, False, True]
    assert balance(ledger, "wallet:w") == 50
    assert codes(settle(ledger, told(fired, "declined"))) == ["charge_settled"]


def test_succeeded_and_given_back_in_one_batch(ledger: Ledger) -> None:
    wallet(ledger, **ASKED)
    fired = done(ledger, "auto_topup.run_now", account="wallet:w")["job_id"]
    spent = job("wallets.debit", wallet_id="w", credits=50)
    jobs = [told(fired, "succeeded"), spent, told(fired, "refunded"), told(fired, "refunded"), told(fired, "succeeded")]
    assert codes(settle(ledger, *jobs)) == ["applied", "applied", "applied", "unchanged", "unchanged"]
    assert (balance(ledger, "wallet:w"), charges(ledger)) == (-50, [("refunded", 50)])
    assert (policy(ledger)["suspended"], policy(ledger)["due_at"]) == ("refunded", None)
    scan(ledger)
    assert len(charges(ledger)) == 1, "it is not bought again"


def test_what_a_job_took_back_is_not_taken_twice_by_its_refund(ledger: Ledger) -> None:
    wallet(ledger, **ASKED)
    fired = done(ledger, "auto_topup.run_now", account="wallet:w")["job_id"]
    credited = done(ledger, "charges.settle", charge_id=fired, status="succeeded")["job_id"]
    done(ledger, "entries.reverse", job_id=credited, credits=20)
    done(ledger, "auto_topup.resume", account="wallet:w")
    done(ledger, "entries.reverse", job_id=credited)
    done(ledger, "auto_topup.resume", account="wallet:w")
    assert done(ledger, "charges.settle", charge_id=fired, status="refunded")["entry"] is None
    assert (balance(ledger, "wallet:w"), policy(ledger)["suspended"]) == (0, "refunded")


@pytest.mark.parametrize("status", ["declined", "void"])
def test_what_was_given_up_and_succeeded_after_all_is_credited(ledger: Ledger, status: str) -> None:
    wallet(ledger, **ASKED)
    fired = done(ledger, "auto_topup.run_now", account="wallet:w")["job_id"]
    assert codes(settle(ledger, told(fired, status))) == ["applied"]
    second = done(ledger, "auto_topup.run_now", account="wallet:w")["job_id"]
    assert codes(settle(ledger, told(fired, "succeeded"), told(second, "succeeded"))) == ["applied", "applied"]
    assert balance(ledger, "wallet:w") == 100


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


def test_while_charging_is_paused_nothing_is_made_and_then_it_goes_on(ledger: Ledger) -> None:
    wallet(ledger, **LEVEL)
    look = look_job(AccountKey(Kind.WALLET, "w"), policy(ledger)["crossing"])
    switched(ledger, on=False)
    scan(ledger)
    assert codes(settle(ledger, now(), look)) == ["top_up_held", "unchanged"]
    assert (charges(ledger), policy(ledger)["reason"]) == ([], "charging_paused")
    switched(ledger, on=True)
    scan(ledger)
    assert charges(ledger) == [], "in a minute"
    move_back(ledger, "policies", timedelta(minutes=1), "due_at")
    scan(ledger)
    assert charges(ledger) == [("succeeded", 50)]


# --- the wallet's three fields


def test_the_three_fields_and_the_policy_are_one(ledger: Ledger) -> None:
    wallet(ledger, **{**LEVEL, "amount": None}, target_balance=60)
    body = done(ledger, "wallets.update", wallet_id="w", auto_topup_min_balance=20, auto_topup_amount=30)["response"]
    assert (body["auto_topup_trigger"], body["auto_topup_min_balance"], body["auto_topup_amount"]) == (
        "balance_below_threshold", 20, 30,
    )  # fmt: skip
    kept = policy(ledger)
    assert (kept["threshold"], kept["amount"], kept["target"], kept["version"]) == (20, 30, None, 2)
    agree(ledger, trigger="disabled")
    body = done(ledger, "wallets.update", wallet_id="w", name="x")["response"]
    assert (body["auto_topup_trigger"], body["auto_topup_min_balance"]) == ("disabled", None)
