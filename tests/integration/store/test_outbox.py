"""What is told to the outside: for each job exactly these events, in the transaction that made them true.

| event | tests |
|---|---|
| user.balance.updated | CASES: a correction, a reversal; nothing with create_transaction=false |
| wallet.updated | CASES: created, changed, terminated |
| wallet.transaction.created | CASES: top-up, debit, expiry, termination, reversal |
| wallet.credit_balance.dropped, .recovered | CASES: crossings of the minimum, by jobs, terms and time |
| app.balance.updated | CASES: a set, a reversal; nothing when unchanged |
| auto_topup.fired, .declined, .suspended, .resumed | CASES: looks, charges and what becomes of them |
| charge.needs_action | CASES: a charge that its payer has to confirm |
| job.rejected | CASES: every refusal; not a replay, not a key conflict |
| balance.low | CASES: levels passed by a job, by time, or when they are set; test_alerts.py |
| grant.will_expire, grant.expired, hold.expired | CASES: what time does; test_expiry_notices.py |
| dead_letter.parked | test_event_form.py: parked, parked again after a replay, come again |
"""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from models.batch.system_jobs import hold_job, system_job, warn_job
from models.domain.accounts import AccountKey, Kind
from models.domain.deciding.commands import Job
from models.domain.deciding.top_up_commands import TopUpLook
from models.domain.events import EventType
from tests.support.builders import done, entries, events, execute, expire_job, job, let_expire, settle
from tests.support.resealed import execute_resealed

USER = "user.balance.updated"
WALLET = "wallet.updated"
MOVED = "wallet.transaction.created"
DROPPED = "wallet.credit_balance.dropped"
RECOVERED = "wallet.credit_balance.recovered"
APP = "app.balance.updated"
REJECTED = "job.rejected"
FIRED = "auto_topup.fired"
DECLINED = "auto_topup.declined"
SUSPENDED = "auto_topup.suspended"
RESUMED = "auto_topup.resumed"
ACTION = "charge.needs_action"
LOW = "balance.low"
WILL_EXPIRE = "grant.will_expire"
GRANT_EXPIRED = "grant.expired"
HOLD_EXPIRED = "hold.expired"
PARKED = "dead_letter.parked"
AGREED = {"auto_topup_min_balance": 10, "auto_topup_amount": 5, "auto_topup_trigger": "balance_below_threshold"}
W = AccountKey(Kind.WALLET, "w")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@pytest.fixture
def engine(emptied: Engine) -> Engine:
    return emptied


@pytest.fixture
def jobs(engine: Engine) -> dict[str, str]:
    """User 1 with 100, app a in store 1 with 100, wallet w with 20 credits and a policy below 10; ids of jobs."""
    done(engine, "users.upsert", user_id=1, telegram_id=77)
    ids = {"correction": done(engine, "users.update_balance", user_id=1, amount_kopeks=100)["job_id"]}
    done(engine, "apps.upsert", app_id="a", store_id=1)
    ids["set"] = done(engine, "apps.update_balance", app_id="a", store_id=1, balance=100)["job_id"]
    unlisted = {"user_id": 1, "amount_kopeks": 1, "create_transaction": False}
    ids["unlisted"] = done(engine, "users.update_balance", **unlisted)["job_id"]
    done(engine, "wallets.create", wallet_id="w", **AGREED)
    common = {"wallet_id": "w", "transaction_reason": "INVOICE_REFUND"}
    ids["grant"] = done(engine, "wallets.top_up", credits_to_add=15, expiry_date_utc="2999-01-01", **common)["job_id"]
    ids["plain"] = done(engine, "wallets.top_up", credits_to_add=5, **common)["job_id"]
    done(engine, "wallets.create", wallet_id="c")
    settle(engine, policy())
    [fired] = settle(engine, run_now("wallet:c"))
    ids["charge"] = fired["job_id"]
    execute(engine, "delete from outbox")
    execute_resealed(engine, "update jobs set events = 0")
    return ids


def correct(**fields: Any) -> Job:
    return job("users.update_balance", **{"user_id": 1, "amount_kopeks": 5, **fields})


def update(**fields: Any) -> Job:
    return job("wallets.update", wallet_id="w", **fields)


def top_up(credits: int) -> Job:
    return job("wallets.top_up", wallet_id="w", credits_to_add=credits, transaction_reason="INVOICE_REFUND")


def debit(credits: int) -> Job:
    return job("wallets.debit", wallet_id="w", credits=credits)


def set_app(balance: int, **fields: Any) -> Job:
    return job("apps.update_balance", app_id="a", store_id=1, balance=balance, **fields)


def reverse(job_id: str, **fields: Any) -> Job:
    return job("entries.reverse", job_id=job_id, **fields)


def policy(**fields: Any) -> Job:
    agreed = {"trigger": "balance_below_threshold", "threshold": 10, "amount": 5, "provider": "http"}
    return job("auto_topup.set_policy", **{"account": "wallet:c", **agreed, **fields})


def run_now(account: str) -> Job:
    return job("auto_topup.run_now", account=account)


def charged(ids: dict[str, str], status: str, **fields: Any) -> Job:
    return job("charges.settle", charge_id=ids["charge"], status=status, **fields)


def alerts(account: str, *thresholds: int | str) -> Job:
    return job("accounts.set_alerts", account=account, thresholds=[*thresholds])


def auto_top_up() -> Job:
    return system_job("autotopup.top_up", "1", {}, TopUpLook(W, 1))


Make = Callable[[dict[str, str]], list[Job]]
CASES: dict[str, tuple[Make, list[str]]] = {
    "a correction": (lambda _: [correct()], [USER]),
    "a correction that is not to be seen": (lambda _: [correct(create_transaction=False)], []),
    "a user changed": (lambda _: [job("users.upsert", user_id=1, username="x")], []),
    "a correction taken back": (lambda ids: [reverse(ids["correction"])], [USER]),
    "an unseen correction taken back": (lambda ids: [reverse(ids["unlisted"])], []),
    "a wallet created": (lambda _: [job("wallets.create", wallet_id="other")], [WALLET]),
    "a wallet changed": (lambda _: [update(name="x")], [WALLET]),
    "a top-up": (lambda _: [top_up(1)], [MOVED]),
    "a debit": (lambda _: [debit(1)], [MOVED]),
    "a debit to the minimum": (lambda _: [debit(10)], [MOVED]),
    "a debit below the minimum": (lambda _: [debit(11)], [MOVED, DROPPED]),
    "two debits below the minimum": (lambda _: [debit(11), debit(1)], [MOVED, DROPPED, MOVED]),
    "a top-up that is not enough": (lambda _: [debit(15), top_up(4)], [MOVED, DROPPED, MOVED]),
    "a top-up that is": (lambda _: [debit(15), top_up(5)], [MOVED, DROPPED, MOVED, RECOVERED]),
    "an auto top-up": (lambda _: [debit(15), auto_top_up()], [MOVED, DROPPED, MOVED, RECOVERED, FIRED]),
    "a charge": (lambda _: [policy(account="wallet:w"), run_now("wallet:w")], [FIRED]),
    "a charge that succeeded": (lambda ids: [charged(ids, "succeeded")], [MOVED]),
    "a charge declined": (lambda ids: [charged(ids, "declined", code="card_declined")], [DECLINED]),
    "a charge declined once too often": (
        lambda ids: [policy(max_declines=1), charged(ids, "declined")],
        [DECLINED, SUSPENDED],
    ),
    "a charge to be confirmed": (lambda ids: [charged(ids, "needs_action")], [ACTION, SUSPENDED]),
    "a policy resumed": (
        lambda ids: [charged(ids, "needs_action"), job("auto_topup.resume", account="wallet:c")],
        [ACTION, SUSPENDED, RESUMED],
    ),
    "a charge given back": (
        lambda ids: [charged(ids, "succeeded"), charged(ids, "refunded")],
        [MOVED, MOVED, SUSPENDED],
    ),
    "a charge given up": (lambda ids: [charged(ids, "void")], []),
    "a wallet created below its minimum": (
        lambda _: [
            job("wallets.create", wallet_id="other", **AGREED),
            job("wallets.top_up", wallet_id="other", credits_to_add=10, transaction_reason="INVOICE_REFUND"),
        ],
        [WALLET, DROPPED, MOVED, RECOVERED],
    ),
    "a minimum raised": (lambda _: [update(auto_topup_min_balance=21)], [WALLET, DROPPED]),
    "a minimum lowered": (
        lambda _: [debit(15), update(auto_topup_min_balance=5)],
        [MOVED, DROPPED, WALLET, RECOVERED],
    ),
    "a policy switched off": (
        lambda _: [debit(15), update(auto_topup_trigger="disabled"), top_up(50)],
        [MOVED, DROPPED, WALLET, MOVED],
    ),
    "a policy switched off, and on again above": (
        lambda _: [
            debit(15),
            update(auto_topup_trigger="disabled"),
            top_up(50),
            update(auto_topup_trigger="balance_below_threshold"),
        ],
        [MOVED, DROPPED, WALLET, MOVED, WALLET, RECOVERED],
    ),
    "a policy agreed to anew while it is below": (
        lambda _: [debit(15), policy(account="wallet:w", provider="none")],
        [MOVED, DROPPED],
    ),
    "a policy switched on": (
        lambda _: [
            update(auto_topup_trigger="disabled"),
            debit(15),
            update(auto_topup_trigger="balance_below_threshold"),
        ],
        [WALLET, MOVED, WALLET, DROPPED],
    ),
    "a wallet frozen and thawed": (
        lambda _: [debit(15), update(wallet_status="frozen"), update(wallet_status="active")],
        [MOVED, DROPPED, WALLET, WALLET],
    ),
    "credits expired": (lambda ids: [expire_job(W, ids["grant"])], [MOVED, DROPPED, GRANT_EXPIRED]),
    "credits that do not expire yet": (lambda ids: [expire_job(W, ids["grant"])], []),
    "credits that will expire": (lambda ids: [warn_job(W, UUID(ids["grant"]), 0)], [WILL_EXPIRE]),
    "credits that will expire, told before": (
        lambda ids: [warn_job(W, UUID(ids["grant"]), 0), warn_job(W, UUID(ids["grant"]), 1)],
        [WILL_EXPIRE],
    ),
    "a hold that ran out": (lambda ids: [hold_job(W, UUID(ids["hold"]))], [MOVED, HOLD_EXPIRED]),
    "a hold that ran out, found by a debit": (
        lambda ids: [debit(1), hold_job(W, UUID(ids["hold"]))],
        [MOVED, HOLD_EXPIRED],
    ),
    "levels set": (lambda _: [alerts("wallet:w", 15, 20)], []),
    "levels set above what is there": (lambda _: [alerts("wallet:w", 15, 21, 30)], [LOW]),
    "a level passed": (lambda _: [alerts("user:1", "0.50"), correct(amount_kopeks=-60)], [USER, LOW]),
    "a level passed in what is not to be seen": (
        lambda _: [alerts("user:1", 1), correct(amount_kopeks=-60, create_transaction=False)],
        [LOW],
    ),
    "an app's level passed": (lambda _: [alerts("app:a/1", 60), set_app(60), set_app(59)], [APP, APP, LOW]),
    "a top-up taken back": (lambda ids: [reverse(ids["plain"])], [MOVED]),
    "a grant taken back": (lambda ids: [reverse(ids["grant"])], [MOVED, DROPPED]),
    "a wallet terminated": (lambda _: [job("wallets.terminate", wallet_id="w")], [MOVED, WALLET]),
    "an empty wallet terminated": (
        lambda _: [debit(20), job("wallets.terminate", wallet_id="w")],
        [MOVED, DROPPED, WALLET],
    ),
    "an app's balance set": (lambda _: [set_app(50)], [APP]),
    "an app's balance set to what it is": (lambda _: [set_app(100)], []),
    "an app changed": (lambda _: [job("apps.upsert", app_id="a", store_id=1, decrease_only=True)], []),
    "a set taken back": (lambda ids: [reverse(ids["set"])], [APP]),
    "an unknown user": (lambda _: [correct(user_id=404)], [REJECTED]),
    "funds that are not there": (lambda _: [correct(amount_kopeks=-999), debit(999)], [REJECTED, REJECTED]),
    "a body that breaks the contract": (lambda _: [correct(amount_kopeks="5")], [REJECTED]),
    "a set that comes too late": (lambda _: [set_app(50, occurred_at="2020-01-01T00:00:00Z")], [REJECTED]),
    "a refusal that is not to be seen": (lambda _: [correct(amount_kopeks=0, create_transaction=False)], [REJECTED]),
    "a replay": (lambda _: [correct(idempotency_key="k"), correct(idempotency_key="k")], [USER]),
    "a key conflict": (
        lambda _: [correct(idempotency_key="k"), correct(idempotency_key="k", amount_kopeks=6)],
        [USER],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_job_tells_exactly_this(engine: Engine, jobs: dict[str, str], case: str) -> None:
    make, expected = CASES[case]
    if case == "credits expired":
        let_expire(engine, jobs["grant"])
    if case.startswith("a hold that ran out"):
        jobs["hold"] = done(engine, "wallets.hold", wallet_id="w", credits=3)["job_id"]
        execute_resealed(engine, "update holds set expires_at = now()")
        execute(engine, "delete from outbox")
    settle(engine, *make(jobs))
    assert [kind for kind, _ in events(engine)] == expected


def test_every_event_type_has_a_case() -> None:
    told = {kind for _, expected in CASES.values() for kind in expected} | {PARKED}
    assert told == {kind.value for kind in EventType} - {"webhook.disabled"}


def test_events_name_account_and_job_in_the_order_in_which_they_became_true(
    engine: Engine, jobs: dict[str, str]
) -> None:
    documents = settle(engine, debit(11), correct(user_id=404), correct())
    told = [payload for _, payload in events(engine)]
    assert [(event["type"], event["account"], event["job_id"]) for event in told] == [
        (MOVED, "wallet:w", documents[0]["job_id"]),
        (DROPPED, "wallet:w", documents[0]["job_id"]),
        (REJECTED, None, documents[1]["job_id"]),
        (USER, "user:1", documents[2]["job_id"]),
    ]
    assert len({event["id"] for event in told}) == 4, "no two events share an id"


def test_an_unseen_entry_is_in_the_ledger_all_the_same(engine: Engine, jobs: dict[str, str]) -> None:
    settle(engine, correct(create_transaction=False))
    assert [entry["listed"] for entry in entries(engine, "user:1")] == [True, False, False]
