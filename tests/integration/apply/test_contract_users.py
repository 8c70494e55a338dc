"""users.update_balance, row by row of its contract; the bodies are those of POST /users/{user_id}/balance.

| row | tests |
|---|---|
| user_id | test_users_row_user_id_* |
| telegram_id instead | test_users_row_telegram_id_* |
| amount_kopeks | test_users_row_amount_kopeks_* |
| description | test_users_row_description_* |
| create_transaction | test_users_row_create_transaction_* |
| effects | test_users_effects_* |
| response | test_contract_users_response.py |
| errors | test_users_errors_* |
"""

from decimal import Decimal
from typing import Any

import pytest

from models.domain.deciding.decision import Limits
from tests.support.builders import ask, balance, done, entries, events, job, refused
from tests.support.ledgers import Ledger, outcomes

LIMIT = 100_000_000
DEFAULT_DESCRIPTION = "Корректировка через веб-API"


@pytest.fixture
def user(ledger: Ledger) -> str:
    """User 1 with telegram id 77 and 10.00."""
    done(ledger, "users.upsert", user_id=1, telegram_id=77)
    done(ledger, "users.update_balance", user_id=1, amount_kopeks=1000)
    return "user:1"


def correct(ledger: Ledger, /, **fields: Any) -> dict[str, Any]:
    return ask(ledger, "users.update_balance", **{"user_id": 1, "amount_kopeks": 500, **fields})


def invalid(document: dict[str, Any], *wrong: tuple[str, str]) -> None:
    """422 with FastAPI's list: (error type, field)."""
    detail = document["error"]["body"].pop("detail")
    assert [(item["type"], item["loc"]) for item in detail] == [(kind, ["body", field]) for kind, field in wrong]
    assert all(set(item) == {"type", "loc", "msg", "input"} for item in detail)
    assert document["error"] == {"status": 422, "body": {}}
    assert (document["status"], document["code"], document["entry"]) == ("rejected", "invalid_request", None)


def test_users_row_user_id_is_the_internal_id(ledger: Ledger, user: str) -> None:
    document = correct(ledger, user_id=1)
    assert (document["status"], document["code"], document["error"]) == ("applied", "applied", None)
    assert document["entry"].items() >= {"account": user, "amount": 500, "balance_before": 1000}.items()
    assert document["response"]["id"] == 1


@pytest.mark.parametrize("user_id", ["1", 1.5, True, 0, -1, 2**63])
def test_users_row_user_id_must_be_a_positive_integer(ledger: Ledger, user: str, user_id: object) -> None:
    document = correct(ledger, user_id=user_id)
    assert (document["code"], document["error"]["status"]) == ("invalid_request", 422)
    assert document["error"]["body"]["detail"][0]["loc"] == ["body", "user_id"]
    assert balance(ledger, user) == 1000


def test_users_row_user_id_is_never_taken_for_a_telegram_id(ledger: Ledger, user: str) -> None:
    refused(correct(ledger, user_id=77), "user_not_found", 404, {"detail": "User not found"})
    assert balance(ledger, user) == 1000


def test_users_row_telegram_id_instead_of_user_id(ledger: Ledger, user: str) -> None:
    document = correct(ledger, user_id=None, telegram_id=77)
    assert document["entry"]["account"] == user
    assert (document["response"]["id"], document["response"]["balance_kopeks"]) == (1, 1500)


def test_users_row_telegram_id_is_never_taken_for_a_user_id(ledger: Ledger, user: str) -> None:
    document = correct(ledger, user_id=None, telegram_id=1)
    refused(document, "user_not_found", 404, {"detail": "User not found"})


@pytest.mark.parametrize("ids", [{"user_id": 1, "telegram_id": 77}, {"user_id": None, "telegram_id": None}])
def test_users_row_user_id_exactly_one_of_the_two(ledger: Ledger, user: str, ids: dict[str, int | None]) -> None:
    document = correct(ledger, **ids)
    detail = document["error"]["body"]["detail"]
    assert document["error"]["status"] == 422
    assert [(item["type"], item["loc"]) for item in detail] == [("user_ambiguous", ["body"])]
    assert detail[0]["msg"] == "Exactly one of user_id and telegram_id is required"
    assert balance(ledger, user) == 1000


def test_users_row_amount_kopeks_zero_is_400(ledger: Ledger, user: str) -> None:
    refused(correct(ledger, amount_kopeks=0), "amount_zero", 400, {"detail": "Amount must be non-zero"})
    assert len(entries(ledger, user)) == 1


def test_users_row_amount_kopeks_is_required(ledger: Ledger, user: str) -> None:
    invalid(ask(ledger, "users.update_balance", user_id=1), ("missing", "amount_kopeks"))


@pytest.mark.parametrize("amount", ["500", 5.5, True, None])
def test_users_row_amount_kopeks_must_be_an_integer(ledger: Ledger, user: str, amount: object) -> None:
    invalid(correct(ledger, amount_kopeks=amount), ("int_type", "amount_kopeks"))
    assert balance(ledger, user) == 1000


@pytest.mark.parametrize("amount", [500, 500.0, Decimal("500.00"), Decimal("5e2")])
def test_users_row_amount_kopeks_is_one_integer_however_it_is_written(
    ledger: Ledger, user: str, amount: object
) -> None:
    first = correct(ledger, amount_kopeks=500, idempotency_key="k")
    assert correct(ledger, amount_kopeks=amount, idempotency_key="k") == {**first, "replayed": True}
    assert first["entry"]["amount"] == 500


@pytest.mark.parametrize("amount", [LIMIT, -LIMIT])
def test_users_row_amount_kopeks_at_the_limit_is_applied(ledger: Ledger, user: str, amount: int) -> None:
    done(ledger, "users.upsert", user_id=1, floor_kopeks=-LIMIT)
    assert correct(ledger, amount_kopeks=amount)["entry"]["balance_after"] == 1000 + amount


@pytest.mark.parametrize("amount", [LIMIT + 1, -LIMIT - 1])
def test_users_row_amount_kopeks_past_the_limit_is_422(ledger: Ledger, user: str, amount: int) -> None:
    message = f"Amount must be between -{LIMIT} and {LIMIT} kopeks"
    detail = [{"type": "out_of_range", "loc": ["body", "amount_kopeks"], "msg": message, "input": amount}]
    refused(correct(ledger, amount_kopeks=amount), "amount_out_of_range", 422, {"detail": detail})
    assert balance(ledger, user) == 1000


def test_users_row_amount_kopeks_limit_is_a_setting(ledger: Ledger, user: str) -> None:
    asked = [job("users.update_balance", user_id=1, amount_kopeks=amount) for amount in (20, 21)]
    codes = [outcome.code for outcome in outcomes(ledger, asked, Limits(max_amount_kopeks=20))]
    assert codes == ["applied", "amount_out_of_range"]


def test_users_row_amount_kopeks_beyond_bigint_is_422(ledger: Ledger, user: str) -> None:
    invalid(correct(ledger, amount_kopeks=2**63), ("less_than_equal", "amount_kopeks"))


@pytest.mark.parametrize("given", [{}, {"description": None}, {"description": ""}])
def test_users_row_description_default_also_for_null_and_empty(
    ledger: Ledger, user: str, given: dict[str, str | None]
) -> None:
    correct(ledger, **given)
    assert entries(ledger, user)[-1]["description"] == DEFAULT_DESCRIPTION


def test_users_row_description_is_kept_with_the_entry(ledger: Ledger, user: str) -> None:
    text = "Возврат «за март» تم 🧾" + "я" * 480
    assert correct(ledger, description=text[:500])["status"] == "applied"
    assert entries(ledger, user)[-1]["description"] == text[:500]


def test_users_row_description_over_500_is_422(ledger: Ledger, user: str) -> None:
    invalid(correct(ledger, description="я" * 501), ("string_too_long", "description"))
    assert balance(ledger, user) == 1000


def test_users_row_create_transaction_default_lists_the_entry_and_tells(ledger: Ledger, user: str) -> None:
    document = correct(ledger)
    assert entries(ledger, user)[-1]["listed"] is True
    kind, payload = events(ledger)[-1]
    assert (kind, payload["account"], payload["job_id"]) == ("user.balance.updated", user, document["job_id"])


def test_users_row_create_transaction_false_is_unlisted_and_silent(ledger: Ledger, user: str) -> None:
    before = events(ledger)
    document = correct(ledger, create_transaction=False)
    assert (balance(ledger, user), document["response"]["balance_kopeks"]) == (1500, 1500)
    assert [entry["listed"] for entry in entries(ledger, user)] == [True, False]
    assert events(ledger) == before


@pytest.mark.parametrize("value", ["false", 0, None])
def test_users_row_create_transaction_must_be_a_boolean(ledger: Ledger, user: str, value: object) -> None:
    invalid(correct(ledger, create_transaction=value), ("bool_type", "create_transaction"))


@pytest.mark.parametrize(("amount", "kind"), [(500, "deposit"), (-500, "withdrawal")])
def test_users_effects_positive_deposits_and_negative_withdraws(
    ledger: Ledger, user: str, amount: int, kind: str
) -> None:
    document = correct(ledger, amount_kopeks=amount)
    entry = entries(ledger, user)[-1]
    assert (entry["kind"], entry["amount"], entry["balance_after"]) == (kind, amount, 1000 + amount)
    assert document["response"]["balance_kopeks"] == balance(ledger, user) == 1000 + amount


def test_users_effects_down_to_the_default_floor_and_no_further(ledger: Ledger, user: str) -> None:
    refused(correct(ledger, amount_kopeks=-1001), "insufficient_funds", 402, {"detail": "Insufficient funds"})
    assert correct(ledger, amount_kopeks=-1000)["response"]["balance_kopeks"] == 0
    refused(correct(ledger, amount_kopeks=-1), "insufficient_funds", 402, {"detail": "Insufficient funds"})
    assert balance(ledger, user) == 0


def test_users_effects_the_accounts_own_floor(ledger: Ledger, user: str) -> None:
    done(ledger, "users.upsert", user_id=1, floor_kopeks=-200)
    assert correct(ledger, amount_kopeks=-1200)["response"]["balance_kopeks"] == -200
    assert correct(ledger, amount_kopeks=-1)["code"] == "insufficient_funds"
    # Below the floor a credit is taken all the same: it can only help.
    done(ledger, "users.upsert", user_id=1, floor_kopeks=0)
    assert correct(ledger, amount_kopeks=1)["response"]["balance_kopeks"] == -199


@pytest.mark.parametrize("flag", [False, True])
def test_users_effects_first_topup_and_paid_subscription_stay(ledger: Ledger, user: str, flag: bool) -> None:
    done(ledger, "users.upsert", user_id=1, has_made_first_topup=flag, has_had_paid_subscription=flag)
    response = correct(ledger)["response"]
    assert (response["has_made_first_topup"], response["has_had_paid_subscription"]) == (flag, flag)


def test_users_errors_404_for_an_unknown_user(ledger: Ledger) -> None:
    refused(correct(ledger, user_id=404), "user_not_found", 404, {"detail": "User not found"})


def test_users_errors_409_for_a_key_conflict(ledger: Ledger, user: str) -> None:
    first = correct(ledger, idempotency_key="k")
    differ = {"amount_kopeks": {"first": 500, "now": 501}}
    body = {
        "detail": {
            "message": "The idempotency key was used for a job with another meaning",
            "job_id": first["job_id"],
            "fields": differ,
        }
    }
    refused(correct(ledger, idempotency_key="k", amount_kopeks=501), "idempotency_conflict", 409, body)
    assert balance(ledger, user) == 1500


def test_users_errors_422_for_a_field_that_is_not_known(ledger: Ledger, user: str) -> None:
    invalid(correct(ledger, amount=5), ("extra_forbidden", "amount"))


def test_users_errors_422_names_every_field_that_is_wrong(ledger: Ledger, user: str) -> None:
    document = correct(ledger, amount_kopeks="5", description=7)
    invalid(document, ("int_type", "amount_kopeks"), ("string_type", "description"))
