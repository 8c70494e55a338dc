"""Keys, replays, waiting: what becomes of a request that is sent again, or that cannot be answered yet."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.acceptance.http.running import RunningDoor
from tests.acceptance.system import System, wait_until
from worker.publishers.http_keys import new_key

TOP_UP = {"credits_to_add": "12.50", "transaction_reason": "PURCHASED_CREDIT_DIRECT"}


def test_a_retry_gets_the_first_answer_on_both_brokers(any_door: RunningDoor, any_system: System) -> None:
    opened = any_door.post("/v1/wallets", {"wallet_id": "w"}, "open")
    assert opened.status_code == 200, opened.text
    first = any_door.post("/v1/wallets/w/top-up", TOP_UP, "k")
    again = any_door.post("/v1/wallets/w/top-up", {**TOP_UP, "idempotency_key": "k"})
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content
    assert first.headers["idempotency-key"] == again.headers["idempotency-key"] == "k"
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
    other = any_door.post("/v1/wallets/w/top-up", {**TOP_UP, "credits_to_add": "13"}, "k")
    assert (other.status_code, other.json()["error"]["internal_error"]) == (409, "idempotency_conflict")
    assert "credits_to_add" in other.json()["error"]["details"]["fields"]
    refused = any_door.post("/v1/wallets/w/debit", {"credits": 100}, "poor")
    replayed = any_door.post("/v1/wallets/w/debit", {"credits": 100}, "poor")
    assert (replayed.status_code, replayed.content) == (409, refused.content)
    assert replayed.headers["idempotent-replayed"] == "true"
    assert any_system.count("entries") == 1


def test_without_a_key_the_door_makes_one_and_says_which(door: RunningDoor, system: System) -> None:
    door.post("/v1/wallets", {"wallet_id": "w"})
    answers = [door.post("/v1/wallets/w/top-up", TOP_UP) for _ in range(2)]
    keys = {answer.headers["idempotency-key"] for answer in answers}
    assert len(keys) == 2
    assert system.count("entries") == 2
    for key in keys:
        outcome = door.get(f"/jobs/{key}").json()
        assert (outcome["idempotency_key"], outcome["status"]) == (key, "applied")


def test_a_wallet_without_a_name_is_named_by_its_key(door: RunningDoor, system: System) -> None:
    asked = {
        "currency": "EUR",
        "initial_credits_to_load": "5",
        "external_customer_id": "c",
        "topup_conversion_rate": None,
    }
    first, again = (door.post("/v1/wallets", asked, "k") for _ in range(2))
    assert first.status_code == 200, first.text
    assert first.json() == again.json()
    assert (first.json()["credit_balance"], first.json()["customer_id"]) == ("5", "c")
    assert system.count("accounts") == 1
    assert system.count("entries") == 1
    for amount in ("-5", "x"):
        refused = door.post("/v1/wallets", {"currency": "EUR", "initial_credits_to_load": amount}, "m")
        assert refused.status_code == 400, refused.text
    assert system.count("accounts") == 1, "nor is it opened without them"
    for extra in (
        {"price_unit": "x"},
        {"auto_topup": {"enabled": True, "amount": 1, "threshold": 1, "invoicing": True}},
    ):
        assert door.post("/v1/wallets", {"currency": "EUR", **extra}, "l").status_code == 400


def test_two_keys_in_one_request_are_refused(door: RunningDoor) -> None:
    door.post("/v1/wallets", {"wallet_id": "w"})
    answer = door.post("/v1/wallets/w/top-up", {**TOP_UP, "idempotency_key": "a"}, "b")
    assert (answer.status_code, answer.json()["error"]["internal_error"]) == (409, "key_ambiguous")
    for key in ("", "x" * 256, "a\u0001b"):
        wrong = door.post("/v1/wallets/w/top-up", {**TOP_UP, "idempotency_key": key})
        assert wrong.status_code == 400, key


def test_who_does_not_wait_is_told_where_the_outcome_will_be(door: RunningDoor) -> None:
    door.post("/v1/wallets", {"wallet_id": "w"})
    answer = door.post("/v1/wallets/w/top-up", TOP_UP, "a/b c?", headers={"Prefer": "respond-async"})
    assert (answer.status_code, answer.json()) == (202, {"status": "accepted", "idempotency_key": "a/b c?"})
    assert answer.headers["preference-applied"] == "respond-async"
    outcome = wait_until("the outcome", lambda: _found(door.get(answer.headers["location"])))
    assert outcome["response"]["credit_balance"] == 12.5


def _found(answer: httpx.Response) -> object:
    return answer.json() if answer.status_code == 200 else None


def test_an_outcome_that_takes_too_long_is_202_and_never_200_before_the_commit(
    door: RunningDoor, system: System
) -> None:
    door.post("/v1/wallets", {"wallet_id": "w"})
    with system.engine.connect() as holder:
        holder.execute(text("select 1 from accounts for update"))
        answer = door.post("/v1/wallets/w/top-up", TOP_UP, "k", headers={"Prefer": "wait=1"})
        assert answer.status_code == 202
        assert door.get(answer.headers["location"]).status_code == 404
    again = door.post("/v1/wallets/w/top-up", TOP_UP, "k")
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    assert system.count("entries") == 1


def test_every_job_can_be_asked_for_by_its_name(door: RunningDoor) -> None:
    created = door.post("/jobs/wallets.create", {"wallet_id": "w"}, "c")
    assert (created.status_code, created.json()["code"]) == (200, "applied")
    held = door.post("/v1/wallets/w/top-up", TOP_UP, "t")
    reversal = door.post("/jobs/entries.reverse", {"job_id": door.get("/jobs/t").json()["job_id"]}, "r")
    assert (held.status_code, reversal.status_code, reversal.json()["entry"]["amount"]) == (200, 200, -12_500_000_000)
    refused = door.post("/jobs/wallets.debit", {"wallet_id": "w", "credits": 1}, "d")
    assert (refused.status_code, refused.json()["code"]) == (409, "insufficient_funds")
    assert door.post("/jobs/wallets.debit", {}, "e").status_code == 422
    assert door.post("/jobs/wallets.steal", {}, "e").json()["code"] == "unknown_job"


def test_holds_and_policies_have_paths(door: RunningDoor) -> None:
    door.post("/v1/wallets", {"wallet_id": "w"})
    door.post("/v1/wallets/w/top-up", TOP_UP)
    hold = door.post("/v1/wallets/w/holds", {"credits": 5}, "h")
    assert (hold.status_code, hold.json()["wallet"]["held"]) == (200, "5")
    job_id = door.get("/jobs/h").json()["job_id"]
    captured = door.post(f"/v1/holds/{job_id}/capture", {"credits": "2", "final": False})
    assert (captured.json()["credit_balance"], captured.json()["held"]) == ("10.5", "3")
    assert door.post(f"/v1/holds/{job_id}/release").json()["held"] == "0"
    policy = {"trigger": "balance_below_threshold", "threshold": 1, "amount": 10}
    assert door.post("/v1/wallets/w/auto-topup", policy).json()["policy"]["trigger"] == "balance_below_threshold"
    updated = door.ask("PUT", "/v1/wallets/w", {"name": "n", "auto_topup": {"enabled": False}})
    assert (updated.json()["name"], updated.json()["auto_topup"]["enabled"]) == ("n", False)


def test_digits_are_kept_whatever_their_number(door: RunningDoor) -> None:
    door.post("/v1/wallets", {"wallet_id": "w"})
    body = '{"credits_to_add": 1234567.123456789, "transaction_reason": "FREE_CREDIT_GRANT"}'
    answer = httpx.post(
        f"{door.url}/v1/wallets/w/top-up", content=body, headers={**door.headers, "Content-Type": "application/json"}
    )
    found = json.loads(answer.text, parse_float=Decimal)
    assert (found["credit_balance"], found["wallet"]["credit_balance"]) == (
        Decimal("1234567.123456789"), "1234567.123456789",
    )  # fmt: skip


def test_transactions_are_read_a_page_at_a_time(door: RunningDoor) -> None:
    door.post("/v1/wallets", {"wallet_id": "w"})
    for number in range(1, 8):
        door.post("/v1/wallets/w/top-up", {**TOP_UP, "credits_to_add": number}, f"k{number}")
    path = "/v1/wallets/w/transactions"

    def keys(**query: Any) -> list[str]:
        return [item["idempotency_key"] for item in door.get(path, params=query).json()["items"]]

    assert keys() == [f"k{number}" for number in range(7, 0, -1)]
    assert keys(limit=2, offset=1) == ["k6", "k5"]
    assert keys(limit=3, offset=5, order="asc") == ["k6", "k7"]
    assert keys(limit=3, offset=7) == keys(limit=3, offset=70, order="asc") == []
    assert door.get(path).json()["pagination"] == {"limit": 50, "offset": 0, "total": 7}
    for wrong in ({"limit": 0}, {"offset": -1}, {"type": "credit"}, {"limit": "ten"}, {"order": "up"}):
        assert door.get(path, params=wrong).status_code == 400, wrong


@pytest.fixture
def two_keys(system: System) -> tuple[RunningDoor, str]:
    key, digest = new_key("few")
    entry = {"hashes": [digest], "producer": "shop", "jobs": ["wallets.top_up"], "reads": False}
    system.money_worker()
    return RunningDoor(system, {"few": entry}), key


def test_a_key_does_what_its_entry_says(two_keys: tuple[RunningDoor, str], system: System) -> None:
    door, key = two_keys
    door.post("/v1/wallets", {"wallet_id": "w"})
    few = {"Authorization": f"Bearer {key}"}
    assert httpx.get(f"{door.url}/v1/wallets/w", headers=few).status_code == 403
    assert httpx.post(f"{door.url}/apps/balance", json={"balance": 1}, headers=few).status_code == 403
    answer = httpx.post(f"{door.url}/v1/wallets/w/top-up", json=TOP_UP, headers=few, timeout=30)
    assert answer.status_code == 200
    assert system.rows("select distinct producer from jobs order by 1") == [("default",), ("shop",)]
    assert door.get(f"/jobs/{answer.headers['idempotency-key']}").status_code == 404, "another producer's"
    for headers in (
        {},
        {"X-API-Key": key + "x"},
        {"Authorization": f"Basic {key}"},
        {"X-API-Key": "bwk_no_" + "x" * 43},
    ):
        nobody = httpx.get(f"{door.url}/v1/wallets/w", headers=headers)
        assert (nobody.status_code, nobody.headers["www-authenticate"]) == (401, "Bearer")
        assert nobody.json()["error"]["internal_error"] == "unauthorized"


def test_a_key_that_asks_too_often_is_told_when_to_come_back(system: System) -> None:
    key, digest = new_key("slow")
    door = RunningDoor(system, {"slow": {"hashes": [digest], "producer": "shop", "rate_per_s": 0.05}})
    statuses = []
    for _ in range(3):
        answer = httpx.get(f"{door.url}/users/1", headers={"X-API-Key": key})
        statuses.append(answer.status_code)
    assert statuses == [404, 429, 429]
    assert 1 <= int(answer.headers["retry-after"]) <= 20
    assert door.get("/users/1").status_code == 404, "the others go on"
