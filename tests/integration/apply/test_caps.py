"""The cap of a month through the path, whatever comes together in a batch; and a scan that ends."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from models.domain.auto_topup.calendar import month_of
from tasks.auto_topup import scan as autotopup
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
    told,
    wallet,
)
from tests.support.builders import applier, ask, balance, done, job, settle
from tests.support.ledgers import Ledger, clock, move_back

# --- the cap


def test_a_cap_that_the_same_batch_has_set_counts_what_was_charged_before(ledger: Ledger) -> None:
    wallet(ledger, **LEVEL)
    scan(ledger)
    assert codes(settle(ledger, agreeing(**LEVEL, monthly_cap=99), now())) == ["applied", "top_up_held"]
    assert balance(ledger, "wallet:w") == 50


def test_a_cap_that_is_moved_to_another_place_counts_what_was_charged_before(ledger: Ledger) -> None:
    wallet(ledger, **LEVEL, monthly_cap=99)
    scan(ledger)
    for moved in (
        agreeing(**LEVEL, monthly_cap=99, timezone="Asia/Tokyo"),
        agreeing(**LEVEL, monthly_cap=99),
        job("wallets.update", wallet_id="w", timezone="America/New_York"),
    ):
        assert codes(settle(ledger, moved, now())) == ["applied", "top_up_held"]


def test_a_cap_of_a_wallet_that_the_batch_has_made(ledger: Ledger) -> None:
    made = job("wallets.create", wallet_id="w", scale=0, timezone="Asia/Tokyo")
    jobs = [made, agreeing(**LEVEL, monthly_cap=99), now(), agreeing(**LEVEL, monthly_cap=99, timezone="UTC"), now()]
    assert codes(settle(ledger, *jobs)) == ["applied", "applied", "applied", "applied", "top_up_held"]


def test_what_was_given_up_and_was_charged_after_all_counts_for_the_rest_of_the_batch(ledger: Ledger) -> None:
    wallet(ledger, **ASKED, monthly_cap=99)
    fired = ask(ledger, "auto_topup.run_now", account="wallet:w")["job_id"]
    assert codes(settle(ledger, told(fired, "void"), now())) == ["applied", "applied"], "what is void is free again"
    [_, (second, _)] = charges(ledger, "id", "status")
    assert codes(settle(ledger, told(second, "void"), told(fired, "succeeded"), now())) == [
        "applied", "applied", "top_up_held",
    ]  # fmt: skip


def test_a_month_of_more_than_a_number_holds(ledger: Ledger) -> None:
    done(ledger, "wallets.create", wallet_id="w", scale=18)
    large = {**LEVEL, "threshold": 1, "amount": 4}
    agree(ledger, **large)
    for _ in range(3):
        done(ledger, "auto_topup.run_now", account="wallet:w")
        done(ledger, "wallets.debit", wallet_id="w", credits=4)
    agree(ledger, **large, monthly_cap=9)
    assert ask(ledger, "auto_topup.run_now", account="wallet:w")["code"] == "top_up_held"


def test_a_cap_that_is_reached_waits_for_the_end_of_the_month_there_and_fires_then(ledger: Ledger) -> None:
    wallet(ledger, **LEVEL, monthly_cap=60, timezone="Pacific/Kiritimati")
    scan(ledger)
    done(ledger, "wallets.debit", wallet_id="w", credits=45)
    scan(ledger)
    row = policy(ledger)
    end = month_of(clock(ledger), "Pacific/Kiritimati")[1]
    assert (row["due_at"], row["not_before"], row["reason"]) == (end, end, "cap_reached")
    # A month passes: what was charged was charged in the one before.
    move_back(ledger, "charges", timedelta(days=31), "created_at")
    move_back(ledger, "policies", timedelta(days=31), "due_at", "not_before")
    scan(ledger)
    assert (balance(ledger, "wallet:w"), policy(ledger)["reason"]) == (55, "fired")


@pytest.mark.parametrize(
    ("told_of_it", "counts"),
    [([], True), (["needs_action"], True), (["succeeded"], True), (["succeeded", "refunded"], True),
     (["declined"], False), (["void"], False)],
    ids=lambda case: " ".join(case) or "pending" if isinstance(case, list) else str(case),
)  # fmt: skip
def test_what_counts_towards_the_cap(ledger: Ledger, told_of_it: list[str], counts: bool) -> None:
    wallet(ledger, **ASKED, monthly_cap=99)
    fired = done(ledger, "auto_topup.run_now", account="wallet:w")["job_id"]
    for status in told_of_it:
        settle(ledger, told(fired, status))
    ask(ledger, "auto_topup.resume", account="wallet:w")
    again = ask(ledger, "auto_topup.run_now", account="wallet:w")
    if counts:
        held = "charge_pending" if told_of_it in ([], ["needs_action"]) else "cap_reached"
        assert again["error"]["body"]["error"]["details"]["reason"] == held
    else:
        assert again["code"] == "applied"


# --- the scan


def test_a_scan_ends_whatever_a_policy_asks_for(ledger: Ledger) -> None:
    wallet(ledger, **{**LEVEL, "threshold": 10**12, "amount": 1})
    for looks in (1, 2, 3):
        scan(ledger)
        assert balance(ledger, "wallet:w") == looks, "the next tick goes on"


def test_whoever_waits_longest_is_looked_at_first(engine: Engine) -> None:
    small = {**LEVEL, "threshold": 10**12, "amount": 1}
    for name in ("a", "b", "c"):
        wallet(engine, name, **small)
    autotopup.scan(applier(engine), 1)
    assert [balance(engine, f"wallet:{name}") for name in ("a", "b", "c")] == [1, 1, 1]
