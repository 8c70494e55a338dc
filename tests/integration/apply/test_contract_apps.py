"""apps.update_balance, row by row of its contract; the bodies are those of POST /apps/balance.

| row or sentence | tests |
|---|---|
| app_id, store_id | test_apps_row_app_id_and_store_id_* |
| balance | test_apps_row_balance_* |
| the entry is the difference; zero: unchanged | test_apps_effects_difference_*, test_apps_effects_zero_difference_* |
| superseded | test_apps_effects_superseded_* |
| decrease_only | test_apps_effects_decrease_only_* |
| response | test_apps_response_* |
| errors | test_apps_errors_*, and the rows' own |
"""

from decimal import Decimal
from typing import Any

import pytest

from tests.support.builders import ask, balance, done, entries, events, refused
from tests.support.ledgers import Ledger, kept

ACCOUNT = "app:calc/7"
UPDATED = "تم تحديث رصيد المتجر بنجاح"
REQUIRED = "حقل الرصيد مطلوب."
NOT_INTEGER = "يجب أن يكون حقل الرصيد عددًا صحيحًا"
TOO_SMALL = "يجب أن تكون قيمة حقل الرصيد مساوية أو أكبر من 0."
TOO_LARGE = "يجب أن تكون قيمة حقل الرصيد مساوية أو أصغر من 9223372036854775807."
DECREASE_ONLY = "الرصيد المتبقى يجب ان يكون اقل من رصيد المتجر"
CREATED = {"status": 201, "success": True, "data": {"message": UPDATED, "code": 201}}


@pytest.fixture
def app(ledger: Ledger) -> str:
    """App calc in store 7, with a balance of 100."""
    done(ledger, "apps.upsert", app_id="calc", store_id=7)
    done(ledger, "apps.update_balance", app_id="calc", store_id=7, balance=100, occurred_at="2026-01-01T12:00:00Z")
    return ACCOUNT


def set_balance(ledger: Ledger, balance: object, /, **fields: Any) -> dict[str, Any]:
    return ask(ledger, "apps.update_balance", **{"app_id": "calc", "store_id": 7, "balance": balance, **fields})


def failure(status: int, **error: Any) -> dict[str, Any]:
    return {"status": status, "success": False, "error": error}


def invalid_balance(document: dict[str, Any], message: str) -> None:
    fields = {"balance": [message]}
    refused(document, "invalid_request", 422, failure(422, code="error", message="alert.invalid_fields", fields=fields))


def test_apps_row_app_id_and_store_id_name_the_account(ledger: Ledger, app: str) -> None:
    done(ledger, "apps.upsert", app_id="calc", store_id=8)
    assert set_balance(ledger, 5, store_id=8)["entry"]["account"] == "app:calc/8"
    assert (balance(ledger, app), balance(ledger, "app:calc/8")) == (100, 5)


@pytest.mark.parametrize("store_id", [7, "7", 7.0, Decimal("7e0")])
def test_apps_row_app_id_and_store_id_are_the_same_as_number_and_text(
    ledger: Ledger, app: str, store_id: object
) -> None:
    assert set_balance(ledger, 5, store_id=store_id)["entry"]["account"] == app


@pytest.mark.parametrize(
    "ids",
    [
        {"app_id": "a/b"},
        {"app_id": "a\n"},
        {"app_id": ""},
        {"app_id": 2**63},
        {"app_id": 7.5},
        {"store_id": None},
        {"store_id": True},
        {"store_id": Decimal("1e999999999999")},
    ],
)
def test_apps_row_app_id_and_store_id_must_be_identifiers(ledger: Ledger, app: str, ids: dict[str, object]) -> None:
    document = set_balance(ledger, 5, **ids)
    error = document["error"]["body"]["error"]
    assert (document["error"]["status"], error["message"], list(error["fields"])) == (
        422,
        "alert.invalid_fields",
        list(ids),
    )
    assert balance(ledger, app) == 100


def test_apps_row_balance_missing_is_422_with_arabic_message(ledger: Ledger, app: str) -> None:
    invalid_balance(ask(ledger, "apps.update_balance", app_id="calc", store_id="7"), REQUIRED)


def test_apps_row_balance_null_is_422_with_arabic_message(ledger: Ledger, app: str) -> None:
    invalid_balance(set_balance(ledger, None), REQUIRED)


@pytest.mark.parametrize("value", ["5", "", 5.5, True, [5], {}, Decimal("NaN"), Decimal("1e-999999999999")])
def test_apps_row_balance_not_an_integer_is_422_with_arabic_message(ledger: Ledger, app: str, value: object) -> None:
    invalid_balance(set_balance(ledger, value), NOT_INTEGER)
    assert balance(ledger, app) == 100


@pytest.mark.parametrize("value", [-1, -1.0, -(2**63), Decimal("-1e999999999999")])
def test_apps_row_balance_below_zero_is_422_with_arabic_message(ledger: Ledger, app: str, value: object) -> None:
    invalid_balance(set_balance(ledger, value), TOO_SMALL)


@pytest.mark.parametrize("value", [2**63, 1e300, Decimal("9" * 5000), Decimal("1e999999999999")])
def test_apps_row_balance_that_does_not_fit_is_422_with_arabic_message(ledger: Ledger, app: str, value: object) -> None:
    invalid_balance(set_balance(ledger, value), TOO_LARGE)
    assert balance(ledger, app) == 100


@pytest.mark.parametrize("value", [0, 2399, 2399.0, Decimal("2.399e3"), 2**63 - 1])
def test_apps_row_balance_is_the_new_absolute_one(ledger: Ledger, app: str, value: object) -> None:
    assert set_balance(ledger, value)["entry"]["balance_after"] == balance(ledger, app) == value


@pytest.mark.parametrize(("value", "difference"), [(150, 50), (30, -70), (0, -100)])
def test_apps_effects_difference_is_the_entry(ledger: Ledger, app: str, value: int, difference: int) -> None:
    document = set_balance(ledger, value)
    assert document["entry"].items() >= {"amount": difference, "balance_before": 100, "balance_after": value}.items()
    entry = entries(ledger, app)[-1]
    assert (entry["kind"], entry["amount"]) == ("set", difference)
    assert events(ledger)[-1][0] == "app.balance.updated"


def test_apps_effects_zero_difference_is_unchanged_and_writes_no_entry(ledger: Ledger, app: str) -> None:
    before = events(ledger)
    document = set_balance(ledger, 100)
    assert (document["status"], document["code"], document["entry"]) == ("applied", "unchanged", None)
    assert document["response"] == CREATED
    assert (len(entries(ledger, app)), events(ledger)) == (1, before)


def test_apps_effects_superseded_by_a_set_that_was_decided_later(ledger: Ledger, app: str) -> None:
    document = set_balance(ledger, 5, occurred_at="2026-01-01T11:59:59.999999Z")
    details = {
        "occurred_at": "2026-01-01T11:59:59.999999+00:00",
        "applied_occurred_at": "2026-01-01T12:00:00+00:00",
    }
    message = "A set that was decided later has already been applied"
    refused(document, "superseded", 409, failure(409, code="superseded", message=message, details=details))
    assert balance(ledger, app) == 100


@pytest.mark.parametrize("at", ["2026-01-01T12:00:00Z", "2026-01-01T15:00:00+03:00", "2026-01-01T12:00:00.000001Z"])
def test_apps_effects_superseded_not_by_one_of_the_same_time_or_earlier(ledger: Ledger, app: str, at: str) -> None:
    assert set_balance(ledger, 5, occurred_at=at)["status"] == "applied"


def test_apps_effects_superseded_an_unchanged_set_counts_as_applied(ledger: Ledger, app: str) -> None:
    assert set_balance(ledger, 100, occurred_at="2026-01-03T00:00:00Z")["code"] == "unchanged"
    assert set_balance(ledger, 5, occurred_at="2026-01-02T00:00:00Z")["code"] == "superseded"


def test_apps_effects_superseded_refused_sets_leave_no_trace_in_the_order(ledger: Ledger, app: str) -> None:
    done(ledger, "apps.upsert", app_id="calc", store_id="7", decrease_only=True)
    assert set_balance(ledger, 101, occurred_at="2026-01-03T00:00:00Z")["code"] == "decrease_only"
    assert set_balance(ledger, 5, occurred_at="2026-01-02T00:00:00Z")["code"] == "applied"


def test_apps_effects_without_occurred_at_the_order_is_that_of_arrival(ledger: Ledger, app: str) -> None:
    assert [set_balance(ledger, value)["status"] for value in (5, 9, 7)] == ["applied"] * 3
    assert balance(ledger, app) == 7
    assert set_balance(ledger, 1, occurred_at="2026-01-02T00:00:00Z")["code"] == "superseded", "its time is in the past"


def test_apps_effects_decrease_only_refuses_a_higher_value(ledger: Ledger, app: str) -> None:
    done(ledger, "apps.upsert", app_id="calc", store_id="7", decrease_only=True)
    document = set_balance(ledger, 101)
    refused(document, "decrease_only", 422, failure(422, code="422", message=DECREASE_ONLY))
    assert set_balance(ledger, 100)["code"] == "unchanged"
    assert set_balance(ledger, 99)["code"] == "applied"
    done(ledger, "apps.upsert", app_id="calc", store_id="7")
    assert set_balance(ledger, 100)["code"] == "decrease_only", "an upsert that does not name the rule leaves it"
    done(ledger, "apps.upsert", app_id="calc", store_id="7", decrease_only=False)
    assert set_balance(ledger, 100)["code"] == "applied"


def test_apps_response_is_the_body_of_the_document(ledger: Ledger, app: str) -> None:
    assert set_balance(ledger, 2399)["response"] == CREATED


def test_apps_response_of_upsert_is_the_same(ledger: Ledger) -> None:
    document = done(ledger, "apps.upsert", app_id="calc", store_id="7")
    assert (document["response"], document["entry"], document["code"]) == (CREATED, None, "applied")
    assert kept(ledger, "apps", "decrease_only") == [{"decrease_only": False}]


def test_apps_errors_404_in_the_same_envelope(ledger: Ledger, app: str) -> None:
    error = {"code": "app_not_found", "message": "The app is not installed in this store"}
    refused(set_balance(ledger, 5, store_id=9), "app_not_found", 404, failure(404, **error))


def test_apps_errors_409_for_a_key_conflict(ledger: Ledger, app: str) -> None:
    first = set_balance(ledger, 5, idempotency_key="k")
    document = set_balance(ledger, 6, idempotency_key="k")
    details = {"job_id": first["job_id"], "fields": {"balance": {"first": 5, "now": 6}}}
    error = {
        "code": "idempotency_conflict",
        "message": "The idempotency key was used for a job with another meaning",
        "details": details,
    }
    refused(document, "idempotency_conflict", 409, failure(409, **error))
    assert balance(ledger, app) == 5
