"""What a wallet is: its answer, its states, and the jobs that create, change and freeze it.

| sentence of the contract | tests |
|---|---|
| response: the seed's wallet | test_wallets_response_* |
| wallet_type, allowed_price_types | test_wallets_create_terms_*, test_wallets_create_others_* |
| auto top-up: both > 0 when the trigger is on | test_wallets_policy_* |
| frozen and closed refuse | test_wallets_state_* |
| wallets.create, wallets.update | test_wallets_create_*, test_wallets_update_* |
| errors 400, 404, 409 | test_wallets_errors_*, and every refusal here |
"""

import re
from decimal import Decimal
from typing import Any

import pytest

from tests.support.builders import ask, balance, done, events, refused
from tests.support.ledgers import Ledger, kept

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
WALLET: dict[str, Any] = {
    "wallet_id": "w",
    "customer_id": "cust_1",
    "name": "Main",
    "description": "For Лада",
    "currency": "eur",
    "wallet_type": "PROMOTIONAL",
    "conversion_rate": "0.5",
    "config": {"allowed_price_types": ["USAGE", "FIXED"]},
    "auto_topup_trigger": "balance_below_threshold",
    "auto_topup_min_balance": "1.5",
    "auto_topup_amount": 20,
    "metadata": {"plan": "pro"},
}


def create(ledger: Ledger, /, **fields: Any) -> dict[str, Any]:
    return ask(ledger, "wallets.create", **{"wallet_id": "w", **fields})


def update(ledger: Ledger, /, **fields: Any) -> dict[str, Any]:
    return ask(ledger, "wallets.update", **{"wallet_id": "w", **fields})


def top_up(ledger: Ledger, credits_to_add: object = 10) -> dict[str, Any]:
    return ask(
        ledger, "wallets.top_up", wallet_id="w", credits_to_add=credits_to_add, transaction_reason="INVOICE_REFUND"
    )


def body(message: str, code: str, **details: Any) -> dict[str, Any]:
    return {"success": False, "error": {"message": message, "internal_error": code, "details": details}}


def test_wallets_response_has_the_keys_and_types_of_the_document(ledger: Ledger) -> None:
    create(ledger, **WALLET)
    response = top_up(ledger, "12.25")["response"]
    assert TIME.fullmatch(response.pop("created_at"))
    assert TIME.fullmatch(response.pop("updated_at"))
    assert response == {
        "auto_topup_amount": 20,
        "auto_topup_min_balance": Decimal("1.5"),
        "auto_topup_trigger": "balance_below_threshold",
        "balance": Decimal("6.125"),
        "config": {"allowed_price_types": ["USAGE", "FIXED"]},
        "conversion_rate": Decimal("0.5"),
        "credit_balance": Decimal("12.25"),
        "currency": "EUR",
        "customer_id": "cust_1",
        "description": "For Лада",
        "held": 0,
        "id": "w",
        "metadata": {"plan": "pro"},
        "name": "Main",
        "wallet_status": "active",
        "wallet_type": "PROMOTIONAL",
    }


def test_wallets_response_numbers_are_exact_json_numbers(ledger: Ledger) -> None:
    create(ledger, conversion_rate="0.000000001")
    response = top_up(ledger, "9000000000.000000001")["response"]
    assert response["credit_balance"] == Decimal("9000000000.000000001")
    assert response["balance"] == Decimal("9.000000000000000001")


def test_wallets_response_of_a_wallet_with_nothing_set(ledger: Ledger) -> None:
    response = create(ledger)["response"]
    assert (
        response.items()
        >= {
            "auto_topup_amount": None,
            "auto_topup_min_balance": None,
            "auto_topup_trigger": "disabled",
            "balance": 0,
            "config": {"allowed_price_types": ["ALL"]},
            "conversion_rate": 1,
            "credit_balance": 0,
            "currency": "USD",
            "wallet_type": "PRE_PAID",
            "name": "",
            "description": "",
            "metadata": {},
        }.items()
    )


@pytest.mark.parametrize("wallet_type", ["PROMOTIONAL", "PRE_PAID"])
@pytest.mark.parametrize("price_type", ["ALL", "USAGE", "FIXED"])
def test_wallets_create_terms_of_the_contract(ledger: Ledger, wallet_type: str, price_type: str) -> None:
    config = {"allowed_price_types": [price_type]}
    response = create(ledger, wallet_type=wallet_type, config=config)["response"]
    assert (response["wallet_type"], response["config"]) == (wallet_type, config)


@pytest.mark.parametrize(
    ("fields", "loc"),
    [
        ({"wallet_type": "POST_PAID"}, ["wallet_type"]),
        ({"config": {"allowed_price_types": ["NONE"]}}, ["config", "allowed_price_types", 0]),
        ({"config": {"other": 1}}, ["config", "other"]),
        ({"currency": "EURO"}, ["currency"]),
        ({"conversion_rate": 0}, ["conversion_rate"]),
        ({"conversion_rate": "-1"}, ["conversion_rate"]),
        ({"scale": 19}, ["scale"]),
        ({"floor": 1}, ["floor"]),
        ({"auto_topup_trigger": "on"}, ["auto_topup_trigger"]),
        ({"auto_topup_amount": 0}, ["auto_topup_amount"]),
        ({"wallet_status": "closed"}, ["wallet_status"]),
    ],
)
def test_wallets_create_others_are_400(ledger: Ledger, fields: dict[str, Any], loc: list[Any]) -> None:
    document = create(ledger, **fields)
    assert document["error"]["status"] == 400
    assert [item["loc"] for item in document["error"]["body"]["error"]["details"]["errors"]] == [["body", *loc]]
    assert kept(ledger, "accounts") == []


def test_wallets_create_twice_is_409(ledger: Ledger) -> None:
    create(ledger, name="first")
    document = create(ledger, name="second")
    refused(document, "wallet_exists", 409, body("A wallet with this id exists", "wallet_exists", wallet_id="w"))
    assert kept(ledger, "wallets", "name") == [{"name": "first"}]


def test_wallets_create_floor_lets_debits_go_below_zero(ledger: Ledger) -> None:
    create(ledger, floor="-5")
    document = done(ledger, "wallets.debit", wallet_id="w", credits=5)
    assert document["response"]["credit_balance"] == -5
    assert ask(ledger, "wallets.debit", wallet_id="w", credits="0.000000001")["code"] == "insufficient_funds"


@pytest.mark.parametrize(
    "missing",
    [{}, {"auto_topup_amount": 1}, {"auto_topup_min_balance": 1}],
)
def test_wallets_policy_needs_both_numbers_when_the_trigger_is_on(ledger: Ledger, missing: dict[str, int]) -> None:
    message = "auto_topup_min_balance and auto_topup_amount must be above zero when the trigger is on"
    answer = body(message, "policy_incomplete", field="auto_topup_trigger")
    document = create(ledger, auto_topup_trigger="balance_below_threshold", **missing)
    refused(document, "policy_incomplete", 400, answer)
    create(ledger, **missing)
    refused(update(ledger, auto_topup_trigger="balance_below_threshold"), "policy_incomplete", 400, answer)


def test_wallets_policy_numbers_may_be_there_before_the_trigger_is_on(ledger: Ledger) -> None:
    create(ledger, auto_topup_min_balance=1, auto_topup_amount=2)
    response = update(ledger, auto_topup_trigger="balance_below_threshold")["response"]
    assert (response["auto_topup_min_balance"], response["auto_topup_amount"]) == (1, 2)


def test_wallets_policy_that_an_account_cannot_hold_is_refused(ledger: Ledger) -> None:
    policy = {"auto_topup_trigger": "balance_below_threshold", "auto_topup_amount": 5_000_000_000}
    create(ledger, auto_topup_min_balance=5_000_000_000)
    document = update(ledger, **policy)
    message = "auto_topup_min_balance and auto_topup_amount together are more than an account can hold"
    refused(document, "balance_overflow", 400, body(message, "balance_overflow", field="auto_topup_amount"))


def test_wallets_update_changes_what_is_given_and_leaves_the_rest(ledger: Ledger) -> None:
    create(ledger, **WALLET)
    before = top_up(ledger)["response"]
    document = update(ledger, name="New", metadata={"plan": "free"}, config={"allowed_price_types": ["ALL"]})
    expected = {
        **before,
        "name": "New",
        "metadata": {"plan": "free"},
        "config": {"allowed_price_types": ["ALL"]},
        "updated_at": document["response"]["updated_at"],
    }
    assert document["response"] == expected
    assert (document["code"], document["entry"]) == ("applied", None)
    assert (events(ledger)[-1][0], events(ledger)[-1][1]["job_id"]) == ("wallet.updated", document["job_id"])


def test_wallets_update_the_status_to_closed_is_the_job_of_terminate(ledger: Ledger) -> None:
    create(ledger)
    assert update(ledger, wallet_status="closed")["error"]["status"] == 400


@pytest.mark.parametrize("name", ["wallets.top_up", "wallets.debit"])
def test_wallets_state_frozen_refuses_and_applies_nothing(ledger: Ledger, name: str) -> None:
    create(ledger)
    top_up(ledger)
    assert update(ledger, wallet_status="frozen")["response"]["wallet_status"] == "frozen"
    document = ask(ledger, name, wallet_id="w", amount=1, transaction_reason="INVOICE_PAYMENT")
    refused(document, "wallet_frozen", 409, body("Wallet is frozen", "wallet_frozen"))
    assert balance(ledger, "wallet:w") == 10 * 10**9
    update(ledger, wallet_status="active")
    assert ask(ledger, name, wallet_id="w", amount=1, transaction_reason="INVOICE_PAYMENT")["status"] == "applied"


@pytest.mark.parametrize("name", ["wallets.top_up", "wallets.debit", "wallets.update", "wallets.terminate"])
def test_wallets_state_closed_refuses_and_applies_nothing(ledger: Ledger, name: str) -> None:
    create(ledger)
    done(ledger, "wallets.terminate", wallet_id="w")
    fields = (
        {"amount": 1, "transaction_reason": "INVOICE_PAYMENT"} if name in ("wallets.top_up", "wallets.debit") else {}
    )
    document = ask(ledger, name, wallet_id="w", **fields)
    refused(document, "wallet_closed", 409, body("Wallet is closed", "wallet_closed"))
    assert balance(ledger, "wallet:w") == 0


@pytest.mark.parametrize("name", ["wallets.debit", "wallets.update", "wallets.terminate"])
def test_wallets_errors_404_for_an_unknown_wallet(ledger: Ledger, name: str) -> None:
    fields = {"credits": 1} if name == "wallets.debit" else {}
    document = ask(ledger, name, wallet_id="none", **fields)
    refused(document, "wallet_not_found", 404, body("Wallet not found", "wallet_not_found"))


def test_wallets_errors_409_for_a_key_conflict(ledger: Ledger) -> None:
    first = create(ledger, idempotency_key="k")
    document = create(ledger, idempotency_key="k", conversion_rate="2.50")
    message = "The idempotency key was used for a job with another meaning"
    fields = {"conversion_rate": {"first": None, "now": "2.5"}}
    answer = body(message, "idempotency_conflict", job_id=first["job_id"], fields=fields)
    refused(document, "idempotency_conflict", 409, answer)
    assert kept(ledger, "wallets", "conversion_rate") == [{"conversion_rate": 1}]
