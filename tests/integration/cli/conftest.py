"""The console script with the settings of a test, and a ledger in which something has happened."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Engine

from tests.acceptance.system import System
from tests.support.builders import ask, done, let_expire, rows
from tests.support.command import Finished, run

TIMEOUT_S: Final = 60
NOWHERE: Final = "127.0.0.1:1"
"""Nobody listens there."""


@dataclass(frozen=True)
class Cli:
    """Runs `balance-worker`. Settings are given by their names without BALANCE_."""

    settings: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, answer: str = "", **settings: str) -> Finished:
        given = {**self.settings, **settings}
        ours = {name: value for name, value in os.environ.items() if not name.startswith("BALANCE_")}
        environment = ours | {"COLUMNS": "100"} | {f"BALANCE_{name.upper()}": value for name, value in given.items()}
        return run(*arguments, environment=environment, answer=answer)

    def text(self, *arguments: str, **settings: str) -> str:
        """stdout of a run that must end with 0."""
        done = self(*arguments, **settings)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *arguments: str, code: int = 0, **settings: str) -> Any:
        """The document that --json writes."""
        done = self(*arguments, "--json", **settings)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)


def told(done: Finished, code: int = 2) -> str:
    """The sentences of a run that could not do what it was asked: no output, no traceback."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr.strip()


@pytest.fixture
def cli(database_url: str) -> Cli:
    """The command line on this test's database, with no broker."""
    return Cli({"database_url": database_url, "broker_url": f"redis://{NOWHERE}/0"})


@dataclass(frozen=True)
class Story:
    """Outcome documents of what has happened."""

    opened: dict[str, Any]
    topped_up: dict[str, Any]
    granted: dict[str, Any]
    refused: dict[str, Any]
    debited: dict[str, Any]
    corrected: dict[str, Any]
    reversed: dict[str, Any]
    app_set: dict[str, Any]
    stranger: dict[str, Any]


@pytest.fixture
def story(engine: Engine) -> Story:
    """wallet:w1 with plain credits, a grant to come and one that has expired; user:42; app:1/2; a few refusals."""
    billing = {"producer": "billing"}
    opened = done(engine, "wallets.create", wallet_id="w1", name="Main", idempotency_key="open", scale=2, **billing)
    top_up = {"wallet_id": "w1", "transaction_reason": "PURCHASED_CREDIT_DIRECT"}
    topped_up = done(engine, "wallets.top_up", credits_to_add="12.5", idempotency_key="invoice-1", **billing, **top_up)
    free = {**top_up, "transaction_reason": "FREE_CREDIT_GRANT"}
    granted = done(engine, "wallets.top_up", credits_to_add=5, priority=1, expiry_date_utc="2100-01-01", **free)
    gone = done(engine, "wallets.top_up", credits_to_add=3, expiry_date_utc="2100-01-01", **free)
    let_expire(engine, grant_of(engine, gone["job_id"]))
    refused = ask(engine, "wallets.debit", wallet_id="w1", credits=1000, idempotency_key="too-much", **billing)
    debited = done(engine, "wallets.debit", wallet_id="w1", credits=2, metadata={"order": "7"})
    done(engine, "users.upsert", user_id=42, telegram_id=99, first_name="Анна")
    corrected = done(engine, "users.update_balance", user_id=42, amount_kopeks=150, description="Бонус")
    back = done(engine, "entries.reverse", job_id=corrected["job_id"])
    done(engine, "apps.upsert", app_id=1, store_id=2)
    app_set = done(engine, "apps.update_balance", app_id=1, store_id=2, balance=70)
    stranger = ask(engine, "users.update_balance", user_id=7, amount_kopeks=1)
    return Story(opened, topped_up, granted, refused, debited, corrected, back, app_set, stranger)


def grant_of(engine: Engine, job_id: str) -> str:
    """The id of the grant that a job made."""
    return str(rows(engine, "select grant_id from entries where job_id = cast(:id as uuid)", id=job_id)[0]["grant_id"])


@pytest.fixture
def on_redis(cli: Cli, redis_url: str) -> Cli:
    """With a broker and no worker."""
    return replace(cli, settings={**cli.settings, "broker_url": redis_url})


@pytest.fixture(params=["redis", "rabbitmq"])
def with_worker(
    request: pytest.FixtureRequest, cli: Cli, database_url: str, engine: Engine, tmp_path: Path, unique_queue: str
) -> Iterator[Cli]:
    """With a broker and a money worker; the wallet w1 is there."""
    broker_url = request.getfixturevalue(f"{request.param}_url")
    done(engine, "wallets.create", wallet_id="w1", scale=2)
    system = System(broker_url, database_url, engine, unique_queue, tmp_path)
    try:
        system.money_worker()
        yield replace(cli, settings={**cli.settings, "broker_url": broker_url, "queue": unique_queue})
    finally:
        system.stop()
