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
from tests.support.ledgers import Ledger

WALLET = AccountKey(Kind.WALLET, "w")
Grant = Callable[..., str]


@pytest.fixture
def grant(ledger: Ledger) -> Grant:
    """Adds credits to wallet w (scale 0, a credit costs 2) and returns the job's id, which is the grant's, too."""
    done(ledger, "wallets.create", wallet_id="w", scale=0, conversion_rate=2)

    def add(credits_to_add: int, **fields: Any) -> str:
        common = {"wallet_id": "w", "transaction_reason": "FREE_CREDIT_GRANT"}
        return str(done(ledger, "wallets.top_up", credits_to_add=credits_to_add, **common, **fields)["job_id"])

    return add


def debit(ledger: Ledger, credits: object, /, **fields: Any) -> dict[str, Any]:
    return ask(ledger, "wallets.debit", wallet_id="w", credits=credits, **fields)


def left(ledger: Ledger, *ids: str) -> list[int]:
    found = {str(key): value for key, value in grants_left(ledger).items()}
    return [found[key] for key in ids]


def insufficient(document: dict[str, Any], requested: str, available: str) -> None:
    details = {"requested": requested, "available": available}
    error = {"message": "Insufficient credits", "internal_error": "insufficient_funds", "details": details}
    refused(document, "insufficient_funds", 409, {"success": False, "error": error})


def test_wallets_debit_row_credits_win_over_amount(ledger: Ledger, grant: Grant) -> None:
    grant(10)
    document = debit(ledger, 3, amount=100, description="march", metadata={"invoice": "7"})
    assert (document["entry"]["amount"], document["response"]["credit_balance"]) == (-3, 7)
    entry = entries(ledger, "wallet:w")[-1]
    assert (entry["kind"], entry["reason"], entry["description"]) == ("debit", "INVOICE_PAYMENT", "march")
    assert entry["metadata"] == {"invoice": "7"}


def test_wallets_debit_row_amount_is_divided_by_the_rate(ledger: Ledger, grant: Grant) -> None:
    grant(10)
    assert debit(ledger, None, amount=7)["entry"]["amount"] == -4, "3.5 credits, half to even"


@pytest.mark.parametrize("much", [{}, {"credits": 0}, {"amount": -1}])
def test_wallets_debit_row_neither_is_400(ledger: Ledger, grant: Grant, much: dict[str, int]) -> None:
    document = ask(ledger, "wallets.debit", wallet_id="w", **much)
    assert (document["code"], document["error"]["status"]) == ("amount_missing", 400)
    error = document["error"]["body"]["error"]
    assert error["message"] == "Either credits or amount must be greater than zero"


def test_wallets_debit_order_priority_then_expiry_then_size_then_age(ledger: Ledger, grant: Grant) -> None:
    last = grant(10)
    no_expiry = grant(10, priority=5)
    late = grant(10, expiry_date_utc="2999-02-01", priority=5)
    early = grant(10, expiry_date_utc="2999-01-01", priority=5)
    larger = grant(11, expiry_date_utc="2999-01-01", priority=5)
    first = grant(10, expiry_date_utc="2999-12-31", priority=0)
    older = grant(10, expiry_date_utc="2999-05-05")
    newer = grant(10, expiry_date_utc="2999-05-05")
    expected = [first, larger, early, late, no_expiry, older, newer]
    assert debit(ledger, 70)["status"] == "applied"
    drawn = entries(ledger, "wallet:w")[-1]["draws"]
    assert drawn == [[first, 10], [larger, 11], [early, 10], [late, 10], [no_expiry, 10], [older, 10], [newer, 9]]
    assert left(ledger, *expected) == [0, 0, 0, 0, 0, 0, 1]
    assert debit(ledger, 11)["response"]["credit_balance"] == 0
    assert last not in {str(key) for key in grants_left(ledger)}, "credits without terms are no grant, and come last"


def test_wallets_debit_expired_grants_cannot_be_spent_before_the_sweep(ledger: Ledger, grant: Grant) -> None:
    grant(5)
    over = grant(10, expiry_date_utc="2999-01-01")
    let_expire(ledger, over)
    insufficient(debit(ledger, 6), "6", "5")
    assert debit(ledger, 5)["response"]["credit_balance"] == 0, "what has expired is not shown either"
    assert left(ledger, over) == [10]


def test_wallets_debit_insufficient_applies_nothing(ledger: Ledger, grant: Grant) -> None:
    held = grant(10, priority=1)
    insufficient(debit(ledger, 11), "11", "10")
    assert (balance(ledger, "wallet:w"), left(ledger, held)) == (10, [10])


def test_wallets_expiry_writes_what_is_left_once_per_grant(ledger: Ledger, grant: Grant) -> None:
    grant(5)
    over = grant(10, expiry_date_utc="2999-01-01")
    debit(ledger, 4)
    let_expire(ledger, over)
    first, second = settle(ledger, expire_job(WALLET, over), expire_job(WALLET, over))
    assert (first["entry"]["amount"], first["response"]["credit_balance"]) == (-6, 5)
    assert second == {**first, "replayed": True}
    entry = entries(ledger, "wallet:w")[-1]
    assert (entry["kind"], entry["reason"], str(entry["grant_id"])) == ("expiry", "CREDIT_EXPIRED", over)
    assert entry["draws"] == [[over, 6]]
    assert left(ledger, over) == [0]
    assert [kind for kind, _ in events(ledger)][-2:] == ["wallet.transaction.created", "grant.expired"]


def test_wallets_expiry_of_a_grant_that_is_used_up_is_unchanged(ledger: Ledger, grant: Grant) -> None:
    spent = grant(10, expiry_date_utc="2999-01-01")
    debit(ledger, 10)
    let_expire(ledger, spent)
    [document] = settle(ledger, expire_job(WALLET, spent))
    assert (document["status"], document["code"], document["entry"]) == ("applied", "unchanged", None)


def test_wallets_terminate_takes_what_is_left_and_closes(ledger: Ledger, grant: Grant) -> None:
    grant(5)
    held, over = grant(10, priority=1), grant(7, expiry_date_utc="2999-01-01")
    let_expire(ledger, over)
    document = done(ledger, "wallets.terminate", wallet_id="w")
    assert (document["entry"]["amount"], document["response"]["credit_balance"]) == (-22, 0)
    assert document["response"]["wallet_status"] == "closed"
    entry = entries(ledger, "wallet:w")[-1]
    assert (entry["kind"], entry["reason"]) == ("termination", "WALLET_TERMINATION")
    assert sorted(entry["draws"]) == sorted([[held, 10], [over, 7]])
    assert left(ledger, held, over) == [0, 0]
    assert [kind for kind, _ in events(ledger)][-2:] == ["wallet.transaction.created", "wallet.updated"]


def test_wallets_terminate_an_empty_wallet_writes_no_entry(ledger: Ledger, grant: Grant) -> None:
    document = done(ledger, "wallets.terminate", wallet_id="w")
    assert (document["entry"], document["response"]["wallet_status"]) == (None, "closed")


def test_wallets_terminate_in_debt_is_refused_also_when_what_expired_hides_it(ledger: Ledger) -> None:
    done(ledger, "wallets.create", wallet_id="w", scale=0, floor=-5)
    error = {
        "message": "The wallet owes credits; settle them before terminating",
        "internal_error": "wallet_in_debt",
        "details": {},
    }
    answer = {"success": False, "error": error}
    common = {"wallet_id": "w", "transaction_reason": "INVOICE_REFUND"}
    over = done(ledger, "wallets.top_up", credits_to_add=5, expiry_date_utc="2999-01-01", **common)
    let_expire(ledger, over["job_id"])
    debit(ledger, 5)
    assert balance(ledger, "wallet:w") == 0
    refused(ask(ledger, "wallets.terminate", wallet_id="w"), "wallet_in_debt", 409, answer)
    done(ledger, "wallets.top_up", credits_to_add=6, priority=1, **common)
    assert done(ledger, "wallets.terminate", wallet_id="w")["entry"]["amount"] == -6
