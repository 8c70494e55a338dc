"""The commands of the three source documents, with host, token and ids filled in, and the errors that they document."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from tests.acceptance.http.running import APP, RunningDoor
from tests.acceptance.system import System

ROOT: Final = Path(__file__).resolve().parents[3]
_NUMBER: Final = (int, float)
_USER: Final[dict[str, Any]] = {
    "id": int, "status": str, "language": str, "balance_kopeks": int, "balance_rubles": _NUMBER,
    "has_had_paid_subscription": bool, "has_made_first_topup": bool, "created_at": str, "updated_at": str,
    "telegram_id": int, "username": str, "first_name": str, "last_name": str, "referral_code": str,
    "referred_by_id": int, "last_activity": str, "promo_group": dict, "subscription": dict,
}  # fmt: skip
_WALLET: Final[dict[str, Any]] = {
    "auto_topup_amount": _NUMBER, "auto_topup_min_balance": _NUMBER, "auto_topup_trigger": str, "balance": _NUMBER,
    "config": dict, "conversion_rate": _NUMBER, "created_at": str, "credit_balance": _NUMBER, "currency": str,
    "customer_id": str, "description": str, "id": str, "metadata": dict, "name": str, "updated_at": str,
    "wallet_status": str, "wallet_type": str,
}  # fmt: skip
_UPDATED: Final = "تم تحديث رصيد المتجر بنجاح"


def _curl(door: RunningDoor, *arguments: str) -> tuple[int, Any]:
    """What the documents' own tool is answered: (status, body)."""
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    command = ["curl", "--silent", "--show-error", "--write-out", "\n%{http_code}", *arguments]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    body, _, status = said.rpartition("\n")
    return int(status), json.loads(body)


def _typed(body: dict[str, Any], fields: dict[str, Any]) -> None:
    assert set(fields) <= set(body)
    wrong = {name: body[name] for name, kind in fields.items() if not isinstance(body[name], kind)}
    assert wrong == {}
    assert not any(isinstance(body[name], bool) for name, kind in fields.items() if kind in (_NUMBER, int))


def test_a_users_balance_is_updated_as_its_document_says(door: RunningDoor) -> None:
    later = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    user = {
        "telegram_id": 55, "username": "ivan", "first_name": "Иван", "last_name": "П", "referral_code": "r",
        "referred_by_id": 3, "last_activity": "2026-01-01T00:00:00Z", "promo_group": {"id": 1, "name": "base"},
        "subscription": {"id": 9, "status": "active", "end_date": later, "connected_squads": ["s"]},
    }  # fmt: skip
    assert door.ask("PUT", "/users/123", user, "u").status_code == 200
    command = (
        "--request", "POST", "--header", "Content-Type: application/json", "--header", f"X-API-Key: {door.key}",
        "--data", '{"amount_kopeks": 123, "description": "Корректировка через веб-API", "create_transaction": true}',
    )  # fmt: skip
    status, body = _curl(door, *command, "--url", f"{door.url}/users/123/balance")
    assert status == 200
    _typed(body, _USER)
    assert (body["balance_kopeks"], body["balance_rubles"], body["id"]) == (123, 1.23, 123)
    assert body["subscription"]["actual_status"] == "active"
    status, body = _curl(door, *command, "--url", f"{door.url}/users/55/balance?by=telegram")
    assert (status, body["balance_kopeks"]) == (200, 246), "without a key each request is a job of its own"
    assert door.get("/users/123").json() == body
    assert door.get("/users/55", params={"by": "telegram"}).json() == body


def test_a_users_errors_are_those_of_its_document(door: RunningDoor) -> None:
    door.ask("PUT", "/users/1", {}, "u")
    balance = "/users/1/balance"
    zero = door.post(balance, {"amount_kopeks": 0})
    assert (zero.status_code, zero.json()) == (400, {"detail": "Amount must be non-zero"})
    nobody = door.post("/users/2/balance", {"amount_kopeks": 1})
    assert (nobody.status_code, nobody.json()) == (404, {"detail": "User not found"})
    poor = door.post(balance, {"amount_kopeks": -1})
    assert (poor.status_code, poor.json()["detail"]) == (402, "Insufficient funds")
    for body, field in (({}, "amount_kopeks"), ({"amount_kopeks": "a"}, "amount_kopeks"),
                        ({"amount_kopeks": 1.5}, "amount_kopeks"), ({"amount_kopeks": 1, "x": 1}, "x")):  # fmt: skip
        wrong = door.post(balance, body)
        assert wrong.status_code == 422
        [found] = wrong.json()["detail"]
        assert set(found) == {"type", "loc", "msg", "input"}
        assert found["loc"] == ["body", field]
    assert door.post("/users/abc/balance", {"amount_kopeks": 1}).status_code == 422
    assert door.post(f"{balance}?by=name", {"amount_kopeks": 1}).status_code == 422
    door.post(balance, {"amount_kopeks": 5}, "k")
    other = door.post(balance, {"amount_kopeks": 6}, "k")
    assert other.status_code == 409
    assert other.json()["detail"]["fields"] == {"amount_kopeks": {"first": 5, "now": 6}}


@pytest.mark.parametrize("prefix", ["/v1", ""])
def test_a_wallet_is_topped_up_as_its_document_says(door: RunningDoor, prefix: str) -> None:
    opened = {
        "wallet_id": "w_1", "customer_id": "c_1", "conversion_rate": "0.5",
        "auto_topup_trigger": "balance_below_threshold", "auto_topup_min_balance": 1, "auto_topup_amount": 2,
    }  # fmt: skip
    assert door.post("/v1/wallets", opened, "open").status_code == 200
    expiry = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    asked = {
        "amount": 123, "credits_to_add": 123, "description": "<string>", "expiry_date_utc": expiry,
        "idempotency_key": "<string>", "metadata": {}, "transaction_reason": "INVOICE_PAYMENT",
    }  # fmt: skip
    status, body = _curl(
        door, "--request", "POST", "--url", f"{door.url}{prefix}/wallets/w_1/top-up",
        "--header", "Content-Type: application/json", "--header", f"x-api-key: {door.key}", "--data", json.dumps(asked),
    )  # fmt: skip
    assert status == 200
    _typed(body, _WALLET)
    assert (body["credit_balance"], body["balance"], body["conversion_rate"]) == (123, 61.5, 0.5)
    assert body["wallet"]["balance"] == "61.5"
    assert body["wallet_transaction"]["credit_amount"] == "123"
    assert body["wallet_transaction"]["idempotency_key"] == "<string>"
    read = door.get(f"{prefix}/wallets/w_1").json()
    assert read == body["wallet"]
    [listed] = door.get(f"{prefix}/wallets/w_1/transactions").json()["items"]
    assert listed == body["wallet_transaction"]


def test_a_wallets_errors_are_those_of_its_document(door: RunningDoor) -> None:
    door.post("/v1/wallets", {"wallet_id": "w"}, "open")
    top_up = "/v1/wallets/w/top-up"
    good = {"credits_to_add": "1", "transaction_reason": "FREE_CREDIT_GRANT"}
    for path, body, status, code in (
        (top_up, {"transaction_reason": "FREE_CREDIT_GRANT"}, 400, "amount_missing"),
        (top_up, {**good, "transaction_reason": "NO"}, 400, "invalid_request"),
        (top_up, {**good, "transaction_reason": "CREDIT_EXPIRED"}, 400, "reason_reserved"),
        (top_up, {**good, "expiry_date_utc": "2020-01-01"}, 400, "expiry_not_in_future"),
        (top_up, {**good, "credits_to_add": "0.0000000001"}, 400, "scale_exceeded"),
        (top_up, {"credits_to_add": "1"}, 400, "invalid_request"),
        ("/v1/wallets/x/top-up", good, 404, "wallet_not_found"),
        ("/v1/wallets/w/debit", {"credits": 1}, 409, "insufficient_funds"),
        ("/v1/wallets", {"wallet_id": "w"}, 409, "wallet_exists"),
    ):
        answer = door.post(path, body)
        assert (answer.status_code, answer.json()["error"]["internal_error"]) == (status, code)
        assert answer.json()["success"] is False
        assert set(answer.json()["error"]) == {"message", "internal_error", "details"}
    door.post("/v1/wallets/w/terminate", {})
    assert door.post(top_up, good).json()["error"]["internal_error"] == "wallet_closed"
    assert door.get("/v1/wallets/x").status_code == 404


def test_an_apps_balance_is_set_as_its_document_says(door: RunningDoor, system: System) -> None:
    command = (
        "--location", "--request", "POST", "--header", f"Authorization: Bearer {door.key}",
        "--header", "Content-Type: application/json", "--data-raw", '{\n    "balance": 2399\n}',
    )  # fmt: skip
    status, missing = _curl(door, *command, f"{door.url}/apps/balance")
    assert (status, missing["status"], missing["success"]) == (404, 404, False)
    door.ask("PUT", "/apps", {}, "app")
    status, body = _curl(door, *command, f"{door.url}/admin/v2/apps/balance")
    assert status == 201
    assert body == {"status": 201, "success": True, "data": {"message": _UPDATED, "code": 201}}
    assert door.get("/apps/balance").json()["data"]["balance"] == 2399
    assert system.rows("select ref, balance from accounts where kind = 'app'") == [("7/42", 2399)]


def test_an_apps_errors_are_those_of_its_document(door: RunningDoor) -> None:
    door.ask("PUT", "/apps", {}, "app")
    door.post("/apps/balance", {"balance": 10}, "first")
    door.ask("PUT", "/apps", {"decrease_only": True}, "rule")
    for body, message in (({}, "حقل الرصيد مطلوب."), ({"balance": None}, "حقل الرصيد مطلوب."),
                          ({"balance": "x"}, "يجب أن يكون حقل الرصيد عددًا صحيحًا")):  # fmt: skip
        wrong = door.post("/apps/balance", body)
        assert (wrong.status_code, wrong.json()) == (422, {
            "status": 422, "success": False,
            "error": {"code": "error", "message": "alert.invalid_fields", "fields": {"balance": [message]}},
        })  # fmt: skip
    more = door.post("/admin/v2/apps/balance", {"balance": 11})
    assert (more.status_code, more.json()["error"]) == (
        422, {"code": "422", "message": "الرصيد المتبقى يجب ان يكون اقل من رصيد المتجر"},
    )  # fmt: skip
    assert door.post("/apps/balance", {"balance": 9, "app_id": "other"}).status_code == 422
    own = door.post("/apps/balance", {"balance": 9, **APP})
    assert (own.status_code, own.json()["success"]) == (201, True), own.text


def test_the_commands_of_the_page_work(door: RunningDoor, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
    [block] = [each for each in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if each.startswith("curl")]
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    (key := tmp_path / "key").write_text(door.key)
    environment = {**os.environ, "DOOR_URL": door.url, "DOOR_KEY_FILE": str(key)}
    said = subprocess.run(
        ["sh", "-c", block.replace("curl ", "curl -s -w '\\n' ")], env=environment, capture_output=True, text=True,
        timeout=60, check=True,
    ).stdout  # fmt: skip
    opened, topped_up = map(json.loads, said.splitlines())
    assert (opened["id"], topped_up["credit_balance"]) == ("w_3", 12.5)
