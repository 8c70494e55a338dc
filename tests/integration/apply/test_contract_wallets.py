"""wallets.top_up, row by row of its contract; the bodies are those of POST /wallets/{id}/top-up.

| row | tests |
|---|---|
| wallet_id | test_wallets_row_wallet_id_* |
| credits_to_add | test_wallets_row_credits_to_add_* |
| amount | test_wallets_row_amount_* |
| both absent or ≤ 0 | test_wallets_row_neither_* |
| transaction_reason | test_wallets_row_transaction_reason_* |
| expiry_date_utc | test_wallets_row_expiry_date_utc_* |
| priority | test_wallets_row_priority_* |
| description, metadata | test_wallets_row_description_and_metadata_* |
| numbers, scale, rounding | test_wallets_numbers_* |
| response, terms, states | test_contract_wallet_terms.py |
| debits, expiry, termination | test_contract_wallet_debits.py |
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.support.builders import ask, balance, done, entries, refused
from tests.support.ledgers import Ledger, clock, kept

CREDIT = 10**9  # units at the default scale
CREDIT_REASONS = (
    "FREE_CREDIT_GRANT",
    "PURCHASED_CREDIT_INVOICED",
    "PURCHASED_CREDIT_DIRECT",
    "PURCHASED_CREDIT_BONUS",
    "SUBSCRIPTION_CREDIT_GRANT",
    "INVOICE_PAYMENT",
    "INVOICE_REFUND",
    "INVOICE_VOID_REFUND",
    "CREDIT_NOTE",
    "CREDIT_ADJUSTMENT",
)
DEBIT_REASONS = (
    "FREE_CREDIT_GRANT",
    "PURCHASED_CREDIT_INVOICED",
    "PURCHASED_CREDIT_DIRECT",
    "SUBSCRIPTION_CREDIT_GRANT",
    "INVOICE_PAYMENT",
    "INVOICE_REFUND",
    "MANUAL_BALANCE_DEBIT",
)


@pytest.fixture
def wallet(ledger: Ledger) -> str:
    """An empty wallet in which a credit costs 2."""
    done(ledger, "wallets.create", wallet_id="w", conversion_rate=2)
    return "wallet:w"


def top_up(ledger: Ledger, /, **fields: Any) -> dict[str, Any]:
    """A top-up by 10 credits unless the fields say something else about how much."""
    much = {} if {"credits_to_add", "amount"} & set(fields) else {"credits_to_add": 10}
    common = {"wallet_id": "w", "transaction_reason": "PURCHASED_CREDIT_DIRECT"}
    return ask(ledger, "wallets.top_up", **{**common, **much, **fields})


def body(message: str, code: str, **details: Any) -> dict[str, Any]:
    return {"success": False, "error": {"message": message, "internal_error": code, "details": details}}


def invalid(document: dict[str, Any], field: str, kind: str) -> None:
    """400 in the source API's shape, naming the field."""
    assert (document["code"], document["error"]["status"]) == ("invalid_request", 400)
    error = document["error"]["body"]["error"]
    assert document["error"]["body"]["success"] is False
    assert set(error) == {"message", "internal_error", "details"}
    assert [(item["loc"], item["type"]) for item in error["details"]["errors"]] == [(["body", field], kind)]
    assert error["message"].startswith(f"Invalid request: {field}: ")


def test_wallets_row_wallet_id_names_the_wallet(ledger: Ledger, wallet: str) -> None:
    document = top_up(ledger)
    assert document["entry"].items() >= {"account": wallet, "seq": 1, "balance_before": 0, "scale": 9}.items()
    assert document["response"]["id"] == "w"


def test_wallets_row_wallet_id_unknown_is_404(ledger: Ledger) -> None:
    refused(top_up(ledger), "wallet_not_found", 404, body("Wallet not found", "wallet_not_found"))


@pytest.mark.parametrize(
    ("wallet_id", "kind"), [(7, "string_type"), ("", "string_too_short"), ("a\nb", "string_not_printable")]
)
def test_wallets_row_wallet_id_must_be_an_identifier(ledger: Ledger, wallet_id: object, kind: str) -> None:
    invalid(top_up(ledger, wallet_id=wallet_id), "wallet_id", kind)


def test_wallets_row_credits_to_add_is_added(ledger: Ledger, wallet: str) -> None:
    document = top_up(ledger, credits_to_add=Decimal("12.5"))
    assert document["entry"]["amount"] == balance(ledger, wallet) == 12_500_000_000
    assert document["response"]["credit_balance"] == Decimal("12.5")
    assert document["response"]["balance"] == 25


def test_wallets_row_credits_to_add_wins_over_amount(ledger: Ledger, wallet: str) -> None:
    assert top_up(ledger, credits_to_add=3, amount=100)["entry"]["amount"] == 3 * CREDIT


@pytest.mark.parametrize("none", [0, "-3", None])
def test_wallets_row_amount_is_used_when_no_credits_are_given(ledger: Ledger, wallet: str, none: object) -> None:
    document = top_up(ledger, credits_to_add=none, amount=100)
    assert document["entry"]["amount"] == 50 * CREDIT
    assert (document["response"]["credit_balance"], document["response"]["balance"]) == (50, 100)


@pytest.mark.parametrize("much", [{}, {"credits_to_add": 0}, {"amount": "-1"}, {"credits_to_add": -1, "amount": 0}])
def test_wallets_row_neither_credits_nor_amount_is_400(ledger: Ledger, wallet: str, much: dict[str, Any]) -> None:
    document = ask(ledger, "wallets.top_up", wallet_id="w", transaction_reason="INVOICE_PAYMENT", **much)
    message = "Either credits_to_add or amount must be greater than zero"
    refused(document, "amount_missing", 400, body(message, "amount_missing", fields=["credits_to_add", "amount"]))
    assert balance(ledger, wallet) == 0


@pytest.mark.parametrize("reason", CREDIT_REASONS)
def test_wallets_row_transaction_reason_of_the_contract(ledger: Ledger, wallet: str, reason: str) -> None:
    assert top_up(ledger, transaction_reason=reason)["status"] == "applied"
    assert entries(ledger, wallet)[0]["reason"] == reason


def test_wallets_row_transaction_reason_is_required(ledger: Ledger, wallet: str) -> None:
    invalid(ask(ledger, "wallets.top_up", wallet_id="w", credits_to_add=1), "transaction_reason", "missing")


def test_wallets_row_transaction_reason_others_are_400(ledger: Ledger, wallet: str) -> None:
    invalid(top_up(ledger, transaction_reason="GIFT"), "transaction_reason", "literal_error")


@pytest.mark.parametrize("name", ["wallets.top_up", "wallets.debit"])
@pytest.mark.parametrize("reason", ["CREDIT_EXPIRED", "WALLET_TERMINATION"])
def test_wallets_row_transaction_reason_of_the_system_is_refused_from_outside(
    ledger: Ledger, wallet: str, name: str, reason: str
) -> None:
    document = ask(ledger, name, wallet_id="w", amount=1, transaction_reason=reason)
    message = f"transaction_reason {reason} is written by the system alone"
    reasons = CREDIT_REASONS if name == "wallets.top_up" else DEBIT_REASONS
    details = {"field": "transaction_reason", "allowed": list(reasons)}
    refused(document, "reason_reserved", 400, body(message, "reason_reserved", **details))


def test_wallets_row_expiry_date_utc_makes_a_grant_with_full_precision(ledger: Ledger, wallet: str) -> None:
    document = top_up(ledger, expiry_date_utc="2999-12-31T23:59:59.123456+02:00")
    [grant] = kept(ledger, "grants")
    assert grant["expires_at"] == datetime(2999, 12, 31, 21, 59, 59, 123456, UTC)
    assert (grant["amount"], grant["remaining"], grant["priority"]) == (10 * CREDIT, 10 * CREDIT, None)
    assert str(grant["id"]) == document["job_id"]
    assert entries(ledger, wallet)[0]["grant_id"] == grant["id"]


@pytest.mark.parametrize(
    ("timezone", "ends"),
    [
        ({}, datetime(3000, 1, 1, tzinfo=UTC)),
        ({"timezone": "Asia/Tokyo"}, datetime(2999, 12, 31, 15, tzinfo=UTC)),
        ({"timezone": "America/New_York"}, datetime(3000, 1, 1, 5, tzinfo=UTC)),
    ],
    ids=["UTC", "Tokyo", "New York"],
)
def test_wallets_row_expiry_date_utc_a_date_is_the_whole_day_where_the_wallet_is(
    ledger: Ledger, wallet: str, timezone: dict[str, str], ends: datetime
) -> None:
    done(ledger, "wallets.update", wallet_id="w", **timezone)
    assert top_up(ledger, expiry_date_utc="2999-12-31")["status"] == "applied"
    assert kept(ledger, "grants", "expires_at")[0]["expires_at"] == ends


def test_wallets_row_expiry_date_utc_today_lasts_until_tonight(ledger: Ledger, wallet: str) -> None:
    today = clock(ledger).astimezone(UTC).date()
    assert top_up(ledger, expiry_date_utc=str(today))["status"] == "applied"
    assert top_up(ledger, expiry_date_utc="9999-12-31")["status"] == "applied"


@pytest.mark.parametrize(
    ("past", "end"),
    [
        ("2020-01-01", "2020-01-02T00:00:00+00:00"),
        ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00+00:00"),
        ("yesterday", None),
    ],
)
def test_wallets_row_expiry_date_utc_past_is_400(ledger: Ledger, wallet: str, past: str, end: str | None) -> None:
    if past == "yesterday":
        today = clock(ledger).astimezone(UTC).date()
        past, end = str(today - timedelta(days=1)), f"{today}T00:00:00+00:00"
    document = top_up(ledger, expiry_date_utc=past)
    message = "expiry_date_utc must be in the future"
    answer = body(message, "expiry_not_in_future", field="expiry_date_utc", input=end)
    refused(document, "expiry_not_in_future", 400, answer)
    assert balance(ledger, wallet) == 0


@pytest.mark.parametrize("bad", ["2999-02-30", "2999-01-01T00:00:00", "tomorrow", 4_102_444_800])
def test_wallets_row_expiry_date_utc_neither_rfc_3339_nor_a_date_is_400(
    ledger: Ledger, wallet: str, bad: object
) -> None:
    document = top_up(ledger, expiry_date_utc=bad)
    assert document["error"]["body"]["error"]["details"]["errors"][0]["loc"] == ["body", "expiry_date_utc"]
    assert document["error"]["status"] == 400


def test_wallets_row_expiry_date_utc_absent_makes_no_grant(ledger: Ledger, wallet: str) -> None:
    assert top_up(ledger)["status"] == "applied"
    assert kept(ledger, "grants") == []


@pytest.mark.parametrize("priority", [0, 1, 2**31 - 1])
def test_wallets_row_priority_is_kept_with_the_grant(ledger: Ledger, wallet: str, priority: int) -> None:
    assert top_up(ledger, priority=priority)["status"] == "applied"
    assert kept(ledger, "grants", "priority", "expires_at") == [{"priority": priority, "expires_at": None}]


@pytest.mark.parametrize(
    ("priority", "kind"), [(-1, "greater_than_equal"), ("1", "int_type"), (True, "int_type"), (2**31, "less_than")]
)
def test_wallets_row_priority_must_be_an_integer_from_zero(
    ledger: Ledger, wallet: str, priority: object, kind: str
) -> None:
    invalid(top_up(ledger, priority=priority), "priority", kind)


def test_wallets_row_description_and_metadata_are_free_and_kept_with_the_entry(ledger: Ledger, wallet: str) -> None:
    document = top_up(ledger, description="bonus", metadata={"order": "7", "ключ": "значение"})
    entry = entries(ledger, wallet)[0]
    assert (entry["description"], entry["metadata"]) == ("bonus", {"order": "7", "ключ": "значение"})
    assert document["response"]["metadata"] == {}, "the wallet's own metadata is another thing"


@pytest.mark.parametrize("number", [Decimal("0.000000001"), "0.000000001", "1e-9", "+.000000001", "0.0000000010"])
def test_wallets_numbers_arrive_as_json_numbers_or_strings(ledger: Ledger, wallet: str, number: object) -> None:
    assert top_up(ledger, credits_to_add=number)["entry"]["amount"] == 1


@pytest.mark.parametrize("field", ["credits_to_add", "amount"])
@pytest.mark.parametrize("number", [0.1, True, "1,5", "", "NaN", [1]])
def test_wallets_numbers_are_never_floats_nor_anything_else(
    ledger: Ledger, wallet: str, field: str, number: object
) -> None:
    document = top_up(ledger, **{field: number})
    assert document["error"]["status"] == 400
    assert document["error"]["body"]["error"]["details"]["errors"][0]["loc"] == ["body", field]


def test_wallets_numbers_with_more_decimals_than_the_scale_are_refused(ledger: Ledger, wallet: str) -> None:
    message, details = "1E-10 has more than 9 decimals", {"field": "credits_to_add", "scale": 9}
    document = top_up(ledger, credits_to_add="0.0000000001")
    refused(document, "scale_exceeded", 400, body(message, "scale_exceeded", **details))
    assert balance(ledger, wallet) == 0


@pytest.mark.parametrize(
    ("amount", "units"), [("0.01", 0), ("0.03", 2), ("0.05", 2), ("0.07", 4), ("0.06", 3), ("0.10", 5)]
)
def test_wallets_numbers_amount_by_rate_rounds_half_even_at_the_scale(ledger: Ledger, amount: str, units: int) -> None:
    done(ledger, "wallets.create", wallet_id="w", conversion_rate=2, scale=2)
    document = top_up(ledger, amount=amount)
    if units == 0:
        message = "The amount is less than the smallest unit of credit"
        refused(document, "amount_missing", 400, body(message, "amount_missing", field="amount"))
    else:
        assert document["entry"]["amount"] == units


def test_wallets_numbers_too_large_for_an_account_are_refused(ledger: Ledger, wallet: str) -> None:
    document = top_up(ledger, credits_to_add="1e30")
    assert (document["code"], document["error"]["status"]) == ("balance_overflow", 400)
    done(
        ledger,
        "wallets.top_up",
        wallet_id="w",
        credits_to_add="9223372036.854775807",
        transaction_reason=CREDIT_REASONS[0],
    )
    document = top_up(ledger, credits_to_add="0.000000001")
    message = "The balance would be larger than an account can hold"
    refused(document, "balance_overflow", 400, body(message, "balance_overflow"))
    assert balance(ledger, wallet) == 2**63 - 1
