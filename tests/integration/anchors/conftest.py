"""A ledger on a shared database, the workers' role on it, and something that has happened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from models.store.roles import grant
from models.store.session import make_engine
from tests.anchored import Anchored
from tests.builders import ask, done, execute
from tests.emptied import emptied, shared_engine

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
    ids = {}
    for user in (1, 2, 3):
        ids[f"open {user}"] = done(workers, "users.upsert", user_id=user)["job_id"]
        for number in (1, 2, 3):
            moved = done(workers, "users.update_balance", user_id=user, amount_kopeks=100 * number)
            ids[f"user {user} {number}"] = moved["job_id"]
    ids["refused"] = ask(workers, "users.update_balance", user_id=1, amount_kopeks=-5_000)["job_id"]
    done(workers, "wallets.create", wallet_id="w")
    return ids


@pytest.fixture
def three(workers: Engine, anchored: Anchored) -> Anchored:
    """With three anchors."""
    for user in (1, 2, 3):
        done(workers, "users.upsert", user_id=user)
        done(workers, "users.update_balance", user_id=user, amount_kopeks=5)
        anchored.anchor()
    assert anchored.problems() == {}
    return anchored
