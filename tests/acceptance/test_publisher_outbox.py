"""A publisher with an outbox is killed at each step: a job is applied once if its transaction committed, else not."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, func, select

from balance_client import BalanceClient
from tests.acceptance.outbox_publisher import METADATA, ORDERS, OUTBOX, STEPS, order_and_die
from tests.acceptance.system import System, wait_until


@pytest.fixture(params=["postgresql", "sqlite"])
def publisher_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The publisher's own database: nothing of the ledger is in it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'shop.db'}"
    return str(request.getfixturevalue("empty_database_url"))


def assert_applied_once_if_committed(system: System, database_url: str) -> None:
    engine = create_engine(database_url)
    METADATA.create_all(engine)
    system.money_worker()
    system.ask("wallets.create", idempotency_key="open", wallet_id="w")
    for step in STEPS:
        order_and_die(step, database_url, system, system.logs / "publisher.log")
    with engine.connect() as connection:
        committed = {name for (name,) in connection.execute(select(ORDERS.c.name))}
        assert committed == {*STEPS} - {"written, not committed"}
    with BalanceClient(system.broker_url, queue=system.queue) as client:
        while OUTBOX.relay(engine, client):
            pass
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(OUTBOX.table)) == 0
    engine.dispose()

    def applied() -> set[str]:
        return {key for (key,) in system.rows("select idempotency_key from jobs where name = 'wallets.top_up'")}

    wait_until("every committed job to be applied", lambda: applied() >= committed)
    # What was published last is behind all that was published before: with its answer nothing more can come.
    system.ask("wallets.debit", idempotency_key="last", wallet_id="w", credits="1")
    assert applied() == committed
    assert system.count("entries") == len(committed) + 1


def test_killed_at_each_step(system: System, publisher_database_url: str) -> None:
    assert_applied_once_if_committed(system, publisher_database_url)


def test_killed_at_each_step_on_rabbitmq(system_on_rabbitmq: System, empty_database_url: str) -> None:
    assert_applied_once_if_committed(system_on_rabbitmq, empty_database_url)
