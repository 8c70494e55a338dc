"""The workers' role needs what it is granted on the tables that shards share, in each of them, and no more."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import make_url

from models.domain.errors import DeploymentFault
from models.store.connection.session import make_engine
from models.store.server import roles
from models.store.server.privileges import CHANGED, NEEDED
from tests.integration.shards.sharded import Part, top_up, wallets
from tests.integration.store.test_privileges import OF_SHARDS
from tests.support.builders import execute, job, reset

RIGHTS = [f"{privilege} on {table}" for table in OF_SHARDS for privilege in NEEDED[table]]
RIGHTS += [f"update ({column}) on {table}" for table in OF_SHARDS for column in CHANGED.get(table, ())]


@pytest.fixture
def workers(parts: list[Part]) -> Iterator[list[Part]]:
    """The shards as the workers' role has them, through connections of the test's own."""
    role = f"app_{uuid.uuid4().hex}"
    for part in parts:
        roles.grant(part.engine, role, "p")
    urls = [make_url(part.url).set(username=role, password="p").render_as_string(hide_password=False) for part in parts]
    yield [replace(part, engine=make_engine(url, checked=True)) for part, url in zip(parts, urls, strict=True)]
    for part in parts:
        execute(part.engine, f"drop owned by {role}")
    execute(parts[0].engine, f"drop role {role}")


def do_everything(workers: list[Part]) -> None:
    """Whatever one shard asks of another, from each of them."""
    for (here, there), telegram_id in ((workers, 500), (workers[::-1], 501)):
        mine, theirs = wallets(workers) if here is workers[0] else wallets(workers)[::-1]
        key = f"of {here.shard.number}"
        here.apply(top_up(mine, key))
        assert there.apply(top_up(theirs, key))[0]["code"] == "idempotency_conflict"
        one, other = here.account("user"), there.account("user")
        codes = [
            part.apply(job("users.upsert", user_id=int(user), telegram_id=given))[0]["code"]
            for part, user, given in [
                (here, one, telegram_id),
                (there, other, telegram_id),
                (here, one, None),
                (there, other, telegram_id),
                (here, one, telegram_id),
            ]
        ]
        assert codes == ["applied", "telegram_id_taken", "applied", "applied", "telegram_id_taken"]
        there.done("users.update_balance", telegram_id=telegram_id, amount_kopeks=5)


@pytest.mark.parametrize("right", RIGHTS)
def test_each_right_is_enough_with_the_others_and_none_is_too_many(
    parts: list[Part], workers: list[Part], right: str
) -> None:
    do_everything(workers)
    role = make_url(str(workers[0].engine.url)).username
    for part in parts:
        execute(part.engine, f"revoke {right} from {role}")
        reset(part.engine)
    with pytest.raises(DeploymentFault, match="42501"):
        do_everything(workers)
    for worker in workers:
        worker.engine.dispose()
