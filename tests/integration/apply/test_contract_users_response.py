"""The answer of users.* jobs: the whole user of the source document, with its keys and types, and nothing else.

| sentence of the contract | tests |
|---|---|
| the whole user of the seed | test_users_response_has_the_keys_and_types_of_the_document, …_unset_fields_* |
| balance_rubles = balance_kopeks / 100, two decimals | test_users_response_balance_rubles_* |
| promo_group and subscription null when none | test_users_response_promo_group_and_subscription_are_null_when_none |
| actual_status | test_users_response_actual_status |
| traffic_used_gb a float, autopay_days_before or null | test_users_response_traffic_used_gb_*, …_autopay_* |
| dates | test_users_response_start_date_* |
| subscription statuses | test_users_response_subscription_statuses_* |
| user statuses | test_users_response_user_statuses_* |
"""

import json
import re
from decimal import Decimal
from typing import Any

import pytest

from models.domain.deciding.decision import Limits
from tests.support.builders import ask, done, job
from tests.support.ledgers import Ledger, outcomes

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
SUBSCRIPTION = {
    "id": 5,
    "status": "active",
    "is_trial": False,
    "start_date": "2023-11-07T05:31:56Z",
    "end_date": "2999-11-07T05:31:56.123456Z",
    "traffic_limit_gb": 100,
    "traffic_used_gb": 7,
    "device_limit": 3,
    "autopay_enabled": True,
    "autopay_days_before": 2,
    "subscription_url": "https://example.com/s",
    "subscription_crypto_link": "happ://x",
    "connected_squads": ["a", "b"],
}
PROMO_GROUP = {
    "id": 3,
    "name": "VIP",
    "server_discount_percent": 10,
    "traffic_discount_percent": 20,
    "device_discount_percent": 30,
    "apply_discounts_to_addons": False,
}
USER = {
    "user_id": 1,
    "telegram_id": 77,
    "username": "ivan",
    "first_name": "Иван",
    "last_name": "Петров",
    "language": "en",
    "status": "blocked",
    "referral_code": "ref1",
    "referred_by_id": 9,
    "has_had_paid_subscription": True,
    "has_made_first_topup": True,
    "last_activity": "2023-11-07T05:31:56Z",
    "promo_group": PROMO_GROUP,
    "subscription": SUBSCRIPTION,
}


def shown(ledger: Ledger, **fields: Any) -> dict[str, Any]:
    """The user as a correction by 100 kopeks shows it."""
    done(ledger, "users.upsert", user_id=1, **fields)
    response: dict[str, Any] = done(ledger, "users.update_balance", user_id=1, amount_kopeks=100)["response"]
    return response


def with_subscription(ledger: Ledger, **changes: Any) -> dict[str, Any]:
    subscription: dict[str, Any] = shown(ledger, subscription={**SUBSCRIPTION, **changes})["subscription"]
    return subscription


def test_users_response_has_the_keys_and_types_of_the_document(ledger: Ledger) -> None:
    done(ledger, "users.upsert", **USER)
    response = done(ledger, "users.update_balance", user_id=1, amount_kopeks=12345)["response"]
    assert TIME.fullmatch(response.pop("created_at"))
    assert TIME.fullmatch(response.pop("updated_at"))
    assert response == {
        "id": 1,
        **{key: value for key, value in USER.items() if key != "user_id"},
        "balance_kopeks": 12345,
        "balance_rubles": Decimal("123.45"),
        "subscription": {**SUBSCRIPTION, "actual_status": "active"},
    }
    kept = ("has_had_paid_subscription", "has_made_first_topup")
    assert all(response[key] is True for key in kept), "booleans, not numbers"


def test_users_response_unset_fields_are_null_and_required_ones_are_there(ledger: Ledger) -> None:
    response = shown(ledger)
    empty = {key for key, value in response.items() if value is None}
    assert empty == {
        "telegram_id",
        "username",
        "first_name",
        "last_name",
        "referral_code",
        "referred_by_id",
        "last_activity",
        "promo_group",
        "subscription",
    }
    assert (response["status"], response["language"]) == ("active", "ru")


@pytest.mark.parametrize(
    ("kopeks", "rubles"),
    [(1, "0.01"), (10, "0.10"), (100, "1.00"), (1000, "10.00"), (123456, "1234.56"), (100_000_000, "1000000.00")],
)
def test_users_response_balance_rubles_is_a_number_with_exactly_two_decimals(
    ledger: Ledger, kopeks: int, rubles: str
) -> None:
    done(ledger, "users.upsert", user_id=1)
    [outcome] = outcomes(ledger, [job("users.update_balance", user_id=1, amount_kopeks=kopeks)], Limits())
    assert f'"balance_kopeks":{kopeks},"balance_rubles":{rubles},' in outcome.text
    assert json.loads(outcome.text, parse_float=Decimal)["response"]["balance_rubles"] == Decimal(kopeks) / 100


def test_users_response_balance_rubles_below_zero(ledger: Ledger) -> None:
    done(ledger, "users.upsert", user_id=1, floor_kopeks=-5)
    [outcome] = outcomes(ledger, [job("users.update_balance", user_id=1, amount_kopeks=-5)], Limits())
    assert '"balance_rubles":-0.05,' in outcome.text


def test_users_response_balance_rubles_of_nothing(ledger: Ledger) -> None:
    done(ledger, "users.upsert", user_id=1, floor_kopeks=0)
    [outcome] = outcomes(ledger, [job("users.upsert", user_id=1)], Limits())
    assert '"balance_rubles":0.00,' in outcome.text


def test_users_response_promo_group_and_subscription_are_null_when_none(ledger: Ledger) -> None:
    response = shown(ledger, promo_group=PROMO_GROUP, subscription=SUBSCRIPTION)
    assert response["promo_group"] == PROMO_GROUP
    cleared = shown(ledger, promo_group=None, subscription=None)
    assert (cleared["promo_group"], cleared["subscription"]) == (None, None)


@pytest.mark.parametrize(
    ("status", "end_date", "actual"),
    [
        ("active", "2999-01-01T00:00:00Z", "active"),
        ("active", "2020-01-01T00:00:00Z", "expired"),
        ("active", None, "expired"),
        ("trial", "2999-01-01T00:00:00+03:00", "trial"),
        ("trial", "2020-01-01T00:00:00+03:00", "expired"),
        ("trial", None, "expired"),
        *((passed, end, passed) for passed in ("expired", "disabled", "limited", "pending") for end in (None, "past")),
    ],
)
def test_users_response_actual_status(ledger: Ledger, status: str, end_date: str | None, actual: str) -> None:
    end_date = "2020-01-01T00:00:00Z" if end_date == "past" else end_date
    subscription = with_subscription(ledger, status=status, end_date=end_date)
    assert (subscription["status"], subscription["actual_status"]) == (status, actual)


@pytest.mark.parametrize(
    ("used", "number"),
    [
        (7, "7"),
        (7.0, "7"),
        (Decimal("7.00"), "7"),
        (0, "0"),
        (12.345678901234567, "12.345678901234567"),
        (0.1 + 0.2, "0.30000000000000004"),
        (9.313225746154785e-10, "9.313225746154785E-10"),
        (5e-324, "5E-324"),
        (Decimal("1.234567890123456789012345678"), "1.234567890123456789012345678"),
        ("12.50", "12.5"),
    ],
)
def test_users_response_traffic_used_gb_is_a_number_with_all_its_digits(
    ledger: Ledger, used: object, number: str
) -> None:
    upsert = job("users.upsert", user_id=1, subscription={**SUBSCRIPTION, "traffic_used_gb": used})
    read_again = job("users.update_balance", user_id=1, amount_kopeks=100)
    for outcome in [*outcomes(ledger, [upsert], Limits()), *outcomes(ledger, [read_again], Limits())]:
        assert f'"traffic_used_gb":{number},' in outcome.text


def test_users_response_traffic_used_gb_is_one_however_it_is_written(ledger: Ledger) -> None:
    first = ask(ledger, "users.upsert", user_id=1, subscription=SUBSCRIPTION, idempotency_key="k")
    for used in (7, 7.0, Decimal("7.0"), "7"):
        again = {**SUBSCRIPTION, "traffic_used_gb": used}
        document = ask(ledger, "users.upsert", user_id=1, subscription=again, idempotency_key="k")
        assert document == {**first, "replayed": True}


@pytest.mark.parametrize("days", [None, 0, 2**63 - 1])
def test_users_response_autopay_days_before_may_be_null(ledger: Ledger, days: int | None) -> None:
    assert with_subscription(ledger, autopay_days_before=days)["autopay_days_before"] == days


def test_users_response_autopay_days_before_null_is_not_zero(ledger: Ledger) -> None:
    ask(ledger, "users.upsert", user_id=1, subscription={**SUBSCRIPTION, "autopay_days_before": 0}, idempotency_key="k")
    now = {**SUBSCRIPTION, "autopay_days_before": None}
    document = ask(ledger, "users.upsert", user_id=1, subscription=now, idempotency_key="k")
    assert document["code"] == "idempotency_conflict"


def test_users_response_start_date_is_a_time_or_not_told(ledger: Ledger) -> None:
    document = ask(ledger, "users.upsert", user_id=1, subscription={**SUBSCRIPTION, "start_date": None})
    assert document["error"]["body"]["detail"][0]["loc"] == ["body", "subscription", "start_date"]
    untold = {name: value for name, value in SUBSCRIPTION.items() if name != "start_date"}
    assert shown(ledger, subscription=untold)["subscription"]["start_date"] is None


@pytest.mark.parametrize("field", ["traffic_limit_gb", "traffic_used_gb", "device_limit", "autopay_days_before"])
def test_users_response_numbers_of_a_subscription_fit_a_bigint(ledger: Ledger, field: str) -> None:
    for wrong in (-1, 2**63):
        document = ask(ledger, "users.upsert", user_id=1, subscription={**SUBSCRIPTION, field: wrong})
        assert document["error"]["body"]["detail"][0]["loc"] == ["body", "subscription", field]
    assert with_subscription(ledger, **{field: 2**63 - 1})[field] == 2**63 - 1


def test_users_response_actual_status_is_not_stored(ledger: Ledger) -> None:
    document = ask(ledger, "users.upsert", user_id=1, subscription={**SUBSCRIPTION, "actual_status": "active"})
    assert document["error"]["body"]["detail"][0]["loc"] == ["body", "subscription", "actual_status"]


@pytest.mark.parametrize("status", ["trial", "active", "expired", "disabled", "limited", "pending"])
def test_users_response_subscription_statuses_of_the_contract(ledger: Ledger, status: str) -> None:
    assert with_subscription(ledger, status=status)["status"] == status


def test_users_response_subscription_statuses_others_are_refused(ledger: Ledger) -> None:
    document = ask(ledger, "users.upsert", user_id=1, subscription={**SUBSCRIPTION, "status": "paused"})
    assert document["error"]["body"]["detail"][0]["loc"] == ["body", "subscription", "status"]


@pytest.mark.parametrize("status", ["active", "blocked", "deleted"])
def test_users_response_user_statuses_of_the_contract(ledger: Ledger, status: str) -> None:
    assert shown(ledger, status=status)["status"] == status


def test_users_response_user_statuses_others_are_refused(ledger: Ledger) -> None:
    document = ask(ledger, "users.upsert", user_id=1, status="frozen")
    assert document["error"]["body"]["detail"][0]["loc"] == ["body", "status"]


def test_users_response_created_at_stays_and_updated_at_moves(ledger: Ledger) -> None:
    first, second = shown(ledger), shown(ledger)
    assert first["created_at"] == second["created_at"]
    assert first["updated_at"] < second["updated_at"]


def test_users_upsert_changes_what_is_given_clears_what_is_null_and_leaves_the_rest(ledger: Ledger) -> None:
    done(ledger, "users.upsert", **USER)
    document = done(ledger, "users.upsert", user_id=1, username="пётр", first_name=None, language=None)
    response = document["response"]
    assert (response["username"], response["first_name"]) == ("пётр", None)
    assert (response["language"], response["last_name"], response["telegram_id"]) == ("en", "Петров", 77)
    assert (document["code"], document["entry"]) == ("applied", None)


def test_users_upsert_null_and_absence_are_two_meanings_of_one_key(ledger: Ledger) -> None:
    done(ledger, "users.upsert", user_id=1, telegram_id=77)
    first = done(ledger, "users.upsert", user_id=1, idempotency_key="k")
    document = ask(ledger, "users.upsert", user_id=1, telegram_id=None, idempotency_key="k")
    assert (document["code"], document["job_id"]) == ("idempotency_conflict", first["job_id"])
    assert document["error"]["body"]["detail"]["fields"] == {"telegram_id": {"first": None, "now": None}}


def test_users_upsert_a_telegram_id_has_one_user(ledger: Ledger) -> None:
    done(ledger, "users.upsert", user_id=1, telegram_id=77)
    document = ask(ledger, "users.upsert", user_id=2, telegram_id=77)
    assert document["error"] == {"status": 409, "body": {"detail": "Another user has this telegram id"}}
    assert document["code"] == "telegram_id_taken"
