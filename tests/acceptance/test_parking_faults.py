"""Messages that nobody can use, at times when nobody can keep them: they wait in the broker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from sqlalchemy import create_engine

from models.store.schema.migrations import upgrade
from tests.acceptance.system import System, wait_until
from tests.support.servers import servers
from tests.support.servers.volatile import VolatilePostgres
from worker.local.servers.embedded import EmbeddedPostgres


@pytest.fixture
def own_postgres() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that the test may stop."""
    with servers.server_directory() as directory, VolatilePostgres(directory) as server:
        upgrade(server.url)
        yield server


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_while_the_database_is_away_what_would_be_parked_waits_in_the_broker(
    request: pytest.FixtureRequest, broker: str, own_postgres: EmbeddedPostgres, unique_queue: str, tmp_path: Path
) -> None:
    engine = create_engine(own_postgres.url, pool_pre_ping=True)
    system = System(request.getfixturevalue(f"{broker}_url"), own_postgres.url, engine, unique_queue, tmp_path)
    try:
        _survive(system, own_postgres, on_redis=broker == "redis")
    finally:
        system.stop()
        engine.dispose()


def _survive(system: System, postgres: EmbeddedPostgres, *, on_redis: bool) -> None:
    worker = system.money_worker()
    system.ask("users.upsert", idempotency_key="u", user_id=1)
    postgres.stop()
    if on_redis:
        with redis.Redis.from_url(system.broker_url) as client:
            client.lpush(system.queue, b"no message")
        wait_until("the garbage to be put aside", lambda: "message.garbage_kept" in system.log("money"))
    system.client.send_task("nobody.knows", queue=system.queue, ignore_result=True)
    wait_until("the message to wait", lambda: "jobs.waiting" in system.log("money"))
    if on_redis:
        worker.terminate()  # it gives back; after a kill its lease would have to run out
    else:
        worker.kill()
    worker.wait(30)  # whatever it had in memory is gone
    postgres.start()
    system.money_worker("next")
    expected = {"unknown_job", "garbage"} if on_redis else {"unknown_job"}
    wait_until("the letters", lambda: {row[0] for row in system.rows("select reason from dead_letters")} == expected)
    assert system.rows("select distinct attempts from dead_letters") == [(1,)]
