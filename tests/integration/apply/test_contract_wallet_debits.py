"""Credits that leave a wallet: debits, expiry, termination. Reversals: test_reversals.py.

| sentence of the contract | tests |
|---|---|
| debits: `credits` or `amount`, reason | test_wallets_debit_row_* |
| order: priority, expiry, larger first, older first | test_wallets_debit_order_* |
| an expired grant can't be spent before the sweep | test_wallets_debit_expired_* |
| insufficient → insufficient_funds | test_wallets_debit_insufficient_* |
| expiry: CREDIT_EXPIRED, once per grant | test_wallets_expiry_* |
| terminate: WALLET_TERMINATION, closes | test_wallets_terminate_* |
"""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine

from models.domain.accounts import AccountKey, Kind
from tests.support.builders import (
    ask,
    balance,
    done,
    entries,
    events,
    expire_job,
    grants_left,
    let_expire,
    refused,
    settle,
)

WALLET = AccountKey(Kind.WALLET, "w")
Grant = Callable[..., str]


@pytest.fixture
def grant(engine: Engine) -> Grant:
    """Adds credits to wallet w (scale 0, a credit costs 2) and returns the job's id, which is the grant's, too."""
    done(engine, "wallets.create", wallet_id="w", scale=0, conversion_rate=2)

    def add(credits_to_add: int, **fields: Any) -> str:
        common = {"wallet_id": "w", "transaction_reason": "FREE_CREDIT_GRANT"}
        return str(done(engine, "wallets.top_up", credits_to_add=credits_to_add, **common, **fields)["job_id"])

    return add


def debit(engine: Engine, credits: object, /, **fields: Any) -> dict[str, Any]:
    return ask(engine, "wallets.debit", wallet_id="w", credits=credits, **fields)


def left(engine: Engine, *ids: str) -> list[int]:
    found = {str(key): value for key, value in grants_left(engine).items()}
    return [found[key] for key in ids]


def insufficient(document: dict[str, Any], requested: str, available: str) -> None:
    details = {"requested": requested, "available": available}
    error = {"message": "Insufficient credits", "internal_error": "insufficient_funds", "details": details}
    refused(document, "insufficient_funds", 409, {"success": False, "error": error})


def test_wallets_debit_row_credits_win_over_amount(engine: Engine, grant: Grant) -> None:
    grant(10)
    document = debit(engine, 3, amount=100, description="march", metadata={"invoice": "7"})
    assert (document["entry"]["amount"], document["response"]["credit_balance"]) == (-3, 7)
    entry = entries(engine, "wallet:w")[-1]
    assert (entry["kind"], entry["reason"], entry["description"]) == ("debit", "INVOICE_PAYMENT", "march")
    assert entry["metadata"] == {"invoice": "7"}


def test_wallets_debit_row_amount_is_divided_by_the_rate(engine: Engine, grant: Grant) -> None:
    grant(10)
    assert debit(engine, None, amount=7)["entry"]["amount"] == -4, "3.5 credits, half to even"


@pytest.mark.parametrize("much", [{}, {"credits": 0}, {"amount": -1}])
def test_wallets_debit_row_neither_is_400(engine: Engine, grant: Grant, much: dict[str, int]) -> None:
    document = ask(engine, "wallets.debit", wallet_id="w", **much)
    assert (document["code"], document["error"]["status"]) == ("amount_missing", 400)
    error = document["error"]["body"]["error"]
    assert error["message"] == "Either credits or amount must be greater than zero"


def test_wallets_debit_order_priority_then_expiry_then_size_then_age(engine: Engine, grant: Grant) -> None:
    last = grant(10)
    no_expiry = grant(10, priority=5)
    late = grant(10, expiry_date_utc="2999-02-01", priority=5)
    early = grant(10, expiry_date_utc="2999-01-01", priority=5)
    larger = grant(11, expiry_date_utc="2999-01-01", priority=5)
    first = grant(10, expiry_date_utc="2999-12-31", priority=0)
    older = grant(10, expiry_date_utc="2999-05-05")
    newer = grant(10, expiry_date_utc="2999-05-05")
    expected = [first, larger, early, late, no_expiry, older, newer]
    assert debit(engine, 70)["status"] == "applied"
    drawn = entries(engine, "wallet:w")[-1]["draws"]
    assert drawn == [[first, 10], [larger, 11], [early, 10], [late, 10], [no_expiry, 10], [older, 10], [newer, 9]]
    assert left(engine, *expected) == [0, 0, 0, 0, 0, 0, 1]
    assert debit(engine, 11)["response"]["credit_balance"] == 0
    assert last not in {str(key) for key in grants_left(engine)}, "credits without terms are no grant, and come last"


def test_wallets_debit_expired_grants_cannot_be_spent_before_the_sweep(engine: Engine, grant: Grant) -> None:
    grant(5)
    over = grant(10, expiry_date_utc="2999-01-01")
    let_expire(engine, over)
    insufficient(debit(engine, 6), "6", "5")
    assert debit(engine, 5)["response"]["credit_balance"] == 0, "what has expired is not shown either"
    assert left(engine, over) == [10]


def test_wallets_debit_insufficient_applies_nothing(engine: Engine, grant: Grant) -> None:
    held = grant(10, priority=1)
    insufficient(debit(engine, 11), "11", "10")
    assert (balance(engine, "wallet:w"), left(engine, held)) == (10, [10])


def test_wallets_expiry_writes_what_is_left_once_per_grant(engine: Engine, grant: Grant) -> None:
    grant(5)
    over = grant(10, expiry_date_utc="2999-01-01")
    debit(engine, 4)
    let_expire(engine, over)
    first, second = settle(engine, expire_job(WALLET, over), expire_job(WALLET, over))
    assert (first["entry"]["amount"], first["response"]["credit_balance"]) == (-6, 5)
    assert second == {**first, "replayed": True}
    entry = entries(engine, "wallet:w")[-1]
    assert (entry["kind"], entry["reason"], str(entry["grant_id"])) == ("expiry", "CREDIT_EXPIRED", over)
    assert entry["draws"] == [[over, 6]]
    assert left(engine, over) == [0]
    assert events(engine)[-1][0] == "wallet.transaction.created"


def test_wallets_expiry_of_a_grant_that_is_used_up_is_unchanged(engine: Engine, grant: Grant) -> None:
    spent = grant(10, expiry_date_utc="2999-01-01")
    debit(engine, 10)
    let_expire(engine, spent)
    [document] = settle(engine, expire_job(WALLET, spent))
    assert (document["status"], document["code"], document["entry"]) == ("applied", "unchanged", None)


def test_wallets_terminate_takes_what_is_left_and_closes(engine: Engine, grant: Grant) -> None:
    grant(5)
    held, over = grant(10, priority=1), grant(7, expiry_date_utc="2999-01-01")
    let_expire(engine, over)
    document = done(engine, "wallets.terminate", wallet_id="w")
    assert (document["entry"]["amount"], document["response"]["credit_balance"]) == (-22, 0)
    assert document["response"]["wallet_status"] == "closed"
    entry = entries(engine, "wallet:w")[-1]
    assert (entry["kind"], entry["reason"]) == ("termination", "WALLET_TERMINATION")
    assert sorted(entry["draws"]) == sorted([[held, 10], [over, 7]])
    assert left(engine, held, over) == [0, 0]
    assert [kind for kind, _ in events(engine)][-2:] == ["wallet.transaction.created", "wallet.updated"]


def test_wallets_terminate_an_empty_wallet_writes_no_entry(engine: Engine, grant: Grant) -> None:
    document = done(engine, "wallets.terminate", wallet_id="w")
    assert (document["entry"], document["response"]["wallet_status"]) == (None, "closed")


def test_wallets_terminate_in_debt_is_refused_also_when_what_expired_hides_it(engine: Engine) -> None:
    done(engine, "wallets.create", wallet_id="w", scale=0, floor=-5)
    error = {
        "message": "The wallet owes credits; settle them before terminating",
        "internal_error": "wallet_in_debt",
        "details": {},
    }
    answer = {"success": False, "error": error}
    common = {"wallet_id": "w", "transaction_reason": "INVOICE_REFUND"}
    over = done(engine, "wallets.top_up", credits_to_add=5, expiry_date_utc="2999-01-01", **common)
    let_expire(engine, over["job_id"])
    debit(engine, 5)
    assert balance(engine, "wallet:w") == 0
    refused(ask(engine, "wallets.terminate", wallet_id="w"), "wallet_in_debt", 409, answer)
    done(engine, "wallets.top_up", credits_to_add=6, priority=1, **common)
    assert done(engine, "wallets.terminate", wallet_id="w")["entry"]["amount"] == -6
