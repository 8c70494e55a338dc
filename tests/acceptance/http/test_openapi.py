"""The door against its own document: what schemathesis makes up of it, and a door that keeps to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from jsonschema import Draft202012Validator

from tests.acceptance.http.running import RunningDoor
from tests.acceptance.system import System

ROOT = Path(__file__).resolve().parents[3]


def _schemathesis(door: RunningDoor, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`schemathesis run`, with the settings that stand in the project."""
    door.ask("PUT", "/apps", {}, "app")
    program = Path(sys.executable).with_name("schemathesis")
    command = [
        str(program),
        "--config-file",
        str(ROOT / "schemathesis.toml"),
        "run",
        f"{door.url}/openapi.json",
        "-H",
        f"X-API-Key: {door.key}",
        "--checks",
        "all",
    ]
    return subprocess.run(
        [*command, "--request-timeout", "30", *arguments], cwd=door.directory, capture_output=True, text=True,
        timeout=900, check=False,
    )  # fmt: skip


@pytest.fixture
def fast_door(system: System) -> RunningDoor:
    system.money_worker()
    return RunningDoor(system, BALANCE_HTTP_RATE_PER_S="100000")


def test_schemathesis_finds_nothing_in_examples_and_a_few_of_each_kind(fast_door: RunningDoor) -> None:
    found = _schemathesis(fast_door, "--phases", "examples,fuzzing", "--max-examples", "3", "--seed", "1")
    assert found.returncode == 0, found.stdout[-9000:]


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["1", "2"])
def test_schemathesis_finds_nothing_by_all_its_checks_and_statefully(fast_door: RunningDoor, seed: str) -> None:
    found = _schemathesis(fast_door, "--max-examples", "40", "--workers", "2", "--seed", seed)
    assert found.returncode == 0, found.stdout[-9000:]


def test_every_answer_is_as_the_document_says(door: RunningDoor) -> None:
    """Of requests that are carried out: random ones seldom are."""
    document = httpx.get(f"{door.url}/openapi.json").json()
    top_up = {"credits_to_add": 5, "transaction_reason": "FREE_CREDIT_GRANT"}
    asked = [
        ("POST", "/v1/wallets", "/v1/wallets", {"wallet_id": "w"}),
        ("POST", "/v1/wallets/w/top-up", "/v1/wallets/{id}/top-up", top_up),
        ("POST", "/v1/wallets/w/debit", "/v1/wallets/{id}/debit", {"credits": "1.5"}),
        ("POST", "/v1/wallets/w/holds", "/v1/wallets/{id}/holds", {"credits": "1.5"}),
        ("GET", "/v1/wallets/w", "/v1/wallets/{id}", None),
        ("GET", "/v1/wallets/w/transactions", "/v1/wallets/{id}/transactions", None),
        ("PUT", "/users/1", "/users/{user_id}", {"username": "u"}),
        ("POST", "/users/1/balance", "/users/{user_id}/balance", {"amount_kopeks": 5}),
        ("GET", "/users/1", "/users/{user_id}", None),
        ("PUT", "/apps", "/apps", {}),
        ("POST", "/apps/balance", "/apps/balance", {"balance": 3}),
        ("GET", "/apps/balance", "/apps/balance", None),
        ("GET", "/jobs/k0", "/jobs/{job}", None),
    ]
    for number, (method, path, template, body) in enumerate(asked):
        answer = door.ask(method, path, body, f"k{number}")
        described = document["paths"][template][method.lower()]["responses"][str(answer.status_code)]
        assert answer.status_code < 300, answer.text
        schema = {**described["content"]["application/json"]["schema"], "components": document["components"]}
        found = Draft202012Validator(schema).iter_errors(answer.json())
        assert [f"{error.json_path}: {error.message}" for error in found] == [], f"{method} {path}"
