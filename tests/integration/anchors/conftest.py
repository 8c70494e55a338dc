"""A ledger on a shared database, the workers' role on it, and something that has happened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from models.store.connection.session import make_engine
from models.store.server.roles import grant
from tests.support.anchored import Anchored
from tests.support.builders import done, execute, job, settle
from tests.support.emptied import emptied, shared_engine

__all__ = ["emptied", "shared_engine"]


@pytest.fixture
def engine(emptied: Engine) -> Engine:
    """The owner's."""
    return emptied


@pytest.fixture(scope="module")
def of_workers(shared_engine: Engine) -> Iterator[Engine]:
    name = f"app_{shared_engine.url.database}"
    grant(shared_engine, name, "p")
    url = shared_engine.url.set(username=name, password="p").render_as_string(hide_password=False)
    mine = make_engine(url, checked=True)
    yield mine
    mine.dispose()
    execute(shared_engine, f"drop owned by {name}")
    execute(shared_engine, f"drop role {name}")


@pytest.fixture
def workers(engine: Engine, of_workers: Engine) -> Engine:
    """As the workers' role, which is enough to anchor and to compare; on an empty ledger."""
    return of_workers


@pytest.fixture
def anchored(workers: Engine, tmp_path: Path) -> Anchored:
    return Anchored(workers, tmp_path)


@pytest.fixture
def story(workers: Engine) -> dict[str, str]:
    """Some accounts with a history, and the ids of some jobs."""
    told = {
        **{f"open {user}": job("users.upsert", user_id=user) for user in (1, 2, 3)},
        **{
            f"user {user} {number}": job("users.update_balance", user_id=user, amount_kopeks=100 * number)
            for user in (1, 2, 3)
            for number in (1, 2, 3)
        },
        "refused": job("users.update_balance", user_id=1, amount_kopeks=-5_000),
        "wallet": job("wallets.create", wallet_id="w"),
    }
    return {what: answer["job_id"] for what, answer in zip(told, settle(workers, *told.values()), strict=True)}


@pytest.fixture
def three(workers: Engine, anchored: Anchored) -> Anchored:
    """With three anchors."""
    for user in (1, 2, 3):
        done(workers, "users.upsert", user_id=user)
        done(workers, "users.update_balance", user_id=user, amount_kopeks=5)
        anchored.anchor()
    assert anchored.problems() == {}
    return anchored
