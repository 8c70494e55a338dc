"""What a key may do, whichever way it asks; and requests that are two jobs."""

from __future__ import annotations

from typing import Any, Final

import httpx
import pytest
from sqlalchemy import text

from tests.acceptance.http.running import RunningDoor
from tests.acceptance.system import System
from worker.publishers.http_keys import new_key

CREDITS: Final = {"wallet_id": "w", "initial_credits_to_load": "5"}
OF_APPS: Final = [
    ("apps.update_balance", {"app_id": "8", "store_id": "42", "balance": 9}),
    ("apps.upsert", {"app_id": "8", "store_id": "42", "decrease_only": True}),
    ("accounts.set_alerts", {"account": "app:8/42", "thresholds": [5]}),
]


@pytest.fixture
def keys(system: System) -> tuple[RunningDoor, dict[str, str]]:
    entries: dict[str, Any] = {
        "app8": {"app": {"app_id": "8", "store_id": "42"}}, "opener": {"jobs": ["wallets.create"]},
    }  # fmt: skip
    plain = {}
    for name, entry in entries.items():
        plain[name], digest = new_key(name)
        entry |= {"hashes": [digest], "producer": name}
    system.money_worker()
    return RunningDoor(system, entries), plain


def test_a_key_is_held_to_its_jobs_and_its_app_whichever_way_it_asks(
    keys: tuple[RunningDoor, dict[str, str]], system: System
) -> None:
    door, plain = keys
    for name in ("app8", "all"):
        own = httpx.put(f"{door.url}/apps", json={}, headers=_by(plain.get(name, door.key)), timeout=30)
        assert own.status_code == 201, own.text
    for job, body in OF_APPS:
        refused = door.post(f"/jobs/{job}", body)  # the key of another app, which may ask for every job
        assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed"), job
        asked = httpx.post(f"{door.url}/jobs/{job}", json=body, headers=_by(plain["app8"]), timeout=30)
        assert asked.status_code != 403, job
    minted = httpx.post(f"{door.url}/v1/wallets", json=CREDITS, headers=_by(plain["opener"]))
    assert (minted.status_code, "wallets.top_up" in minted.json()["error"]["message"]) == (403, True)
    opened = httpx.post(f"{door.url}/v1/wallets", json={"wallet_id": "w"}, headers=_by(plain["opener"]), timeout=30)
    assert opened.status_code == 200, opened.text
    assert system.rows("select count(*) from jobs where producer = 'opener'") == [(1,)]


def _by(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_a_wallet_never_opens_without_its_credits_for_good(door: RunningDoor, system: System) -> None:
    door.post("/v1/wallets", {"wallet_id": "other"})
    quick = door.post("/v1/wallets", CREDITS, "quick", headers={"Prefer": "respond-async"})
    assert quick.status_code == 202
    again = door.post("/v1/wallets", CREDITS, "quick")
    assert (again.status_code, again.json()["credit_balance"]) == (200, "5")
    slow = {"wallet_id": "slow", "initial_credits_to_load": 7}
    with system.engine.connect() as holder:
        holder.execute(text("lock table accounts in exclusive mode"))
        answer = door.post("/v1/wallets", slow, "slow", headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["error"]["internal_error"] == "not_settled"
    assert door.post("/v1/wallets", slow, "slow").json()["credit_balance"] == "7"
    assert system.rows("select count(*), sum(amount) from entries") == [(2, 12_000_000_000)]


def test_no_credits_are_no_second_job(door: RunningDoor) -> None:
    for nothing in ("0", "0.00", 0, 0.0, "0e3", "", None):
        answer = door.post("/v1/wallets", {"initial_credits_to_load": nothing})
        assert (answer.status_code, answer.json()["credit_balance"]) == (200, "0"), nothing
