"""Charges through the path: one open at a time, within the cap, credited once, whatever comes together in a batch."""

from typing import Any

from sqlalchemy import Engine

from models.domain.deciding.commands import Job
from tasks.auto_topup import scan as autotopup
from tests.support.builders import Document, applier, ask, balance, done, job, rows, settle

LEVEL: dict[str, Any] = {"trigger": "balance_below_threshold", "threshold": 10, "amount": 50, "cooldown_s": 0}
ASKED = {**LEVEL, "provider": "http", "payer": "p"}


def wallet(engine: Engine, name: str = "w", /, **policy: Any) -> None:
    done(engine, "wallets.create", wallet_id=name, scale=0)
    if policy:
        agree(engine, name, **policy)


def agree(engine: Engine, name: str = "w", /, **policy: Any) -> Document:
    return done(engine, "auto_topup.set_policy", account=f"wallet:{name}", **policy)


def agreeing(**policy: Any) -> Job:
    return job("auto_topup.set_policy", account="wallet:w", **policy)


def now(name: str = "w", **fields: Any) -> Job:
    return job("auto_topup.run_now", account=f"wallet:{name}", **fields)


def told(charge_id: str, status: str, **fields: Any) -> Job:
    return job("charges.settle", charge_id=charge_id, status=status, **fields)


def codes(documents: list[Document]) -> list[str]:
    return [document["code"] for document in documents]


def scan(engine: Engine) -> None:
    autotopup.scan(applier(engine), 100)


def charges(engine: Engine, columns: str = "status, units") -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in rows(engine, f"select {columns} from charges order by created_at, id")]


def policy(engine: Engine) -> dict[str, Any]:
    [found] = rows(engine, "select * from policies")
    return found


# --- the cap


def test_a_cap_that_the_same_batch_has_set_counts_what_was_charged_before(engine: Engine) -> None:
    wallet(engine, **LEVEL)
    scan(engine)
    assert codes(settle(engine, agreeing(**LEVEL, monthly_cap=99), now())) == ["applied", "top_up_held"]
    assert balance(engine, "wallet:w") == 50


def test_a_cap_that_is_moved_to_another_place_counts_what_was_charged_before(engine: Engine) -> None:
    wallet(engine, **LEVEL, monthly_cap=99)
    scan(engine)
    for moved in (
        agreeing(**LEVEL, monthly_cap=99, timezone="Asia/Tokyo"),
        agreeing(**LEVEL, monthly_cap=99),
        job("wallets.update", wallet_id="w", timezone="America/New_York"),
    ):
        assert codes(settle(engine, moved, now())) == ["applied", "top_up_held"]


def test_a_cap_of_a_wallet_that_the_batch_has_made(engine: Engine) -> None:
    made = job("wallets.create", wallet_id="w", scale=0, timezone="Asia/Tokyo")
    jobs = [made, agreeing(**LEVEL, monthly_cap=99), now(), agreeing(**LEVEL, monthly_cap=99, timezone="UTC"), now()]
    assert codes(settle(engine, *jobs)) == ["applied", "applied", "applied", "applied", "top_up_held"]


def test_what_was_given_up_and_was_charged_after_all_counts_for_the_rest_of_the_batch(engine: Engine) -> None:
    wallet(engine, **ASKED, monthly_cap=99)
    fired = ask(engine, "auto_topup.run_now", account="wallet:w")["job_id"]
    assert codes(settle(engine, told(fired, "void"), now())) == ["applied", "applied"], "what is void is free again"
    [_, (second, _)] = charges(engine, "cast(id as text), status")
    assert codes(settle(engine, told(second, "void"), told(fired, "succeeded"), now())) == [
        "applied", "applied", "top_up_held",
    ]  # fmt: skip


def test_a_month_of_more_than_a_number_holds(engine: Engine) -> None:
    done(engine, "wallets.create", wallet_id="w", scale=18)
    large = {**LEVEL, "threshold": 1, "amount": 4}
    agree(engine, **large)
    for _ in range(3):
        done(engine, "auto_topup.run_now", account="wallet:w")
        done(engine, "wallets.debit", wallet_id="w", credits=4)
    agree(engine, **large, monthly_cap=9)
    assert ask(engine, "auto_topup.run_now", account="wallet:w")["code"] == "top_up_held"


# --- the scan


def test_a_scan_ends_whatever_a_policy_asks_for(engine: Engine) -> None:
    wallet(engine, **{**LEVEL, "threshold": 10**12, "amount": 1})
    for looks in (1, 2, 3):
        scan(engine)
        assert balance(engine, "wallet:w") == looks, "the next tick goes on"


def test_whoever_waits_longest_is_looked_at_first(engine: Engine) -> None:
    small = {**LEVEL, "threshold": 10**12, "amount": 1}
    for name in ("a", "b", "c"):
        wallet(engine, name, **small)
    autotopup.scan(applier(engine), 1)
    assert [balance(engine, f"wallet:{name}") for name in ("a", "b", "c")] == [1, 1, 1]
