"""PgBouncer in front of PostgreSQL: in session mode all is as without it, in transaction mode nothing is applied."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier

import psycopg
import pytest
from sqlalchemy import Engine, make_url, text

from models.domain.errors import DeploymentFault
from models.store.connection.session import make_engine, snapshot
from tests.support.builders import balance, done, job, rows, settle
from tests.support.servers import servers
from tests.support.servers.pgbouncer import PgBouncer
from worker.doctor.database import examine_database
from worker.doctor.finding import Finding
from worker.settings.settings import Settings

Start = Callable[..., str]


@pytest.fixture
def pooled(database_url: str) -> Iterator[Start]:
    """Starts a pooler in a mode, and says where it is."""
    with ExitStack() as running:

        def start(mode: str, **settings: str) -> str:
            directory = running.enter_context(servers.server_directory())
            return running.enter_context(PgBouncer(directory, database_url, mode, **settings)).url

        yield start


def findings(url: str) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine_database(Settings(database_url=url))}


def test_session_mode_works_as_if_it_was_not_there(engine: Engine, pooled: Start) -> None:
    url = pooled("session")
    worker = make_engine(url, lock_timeout_ms=1234, indexes_only=True, checked=True)
    with snapshot(worker) as connection:
        asked = "select current_setting('lock_timeout'), current_setting('enable_seqscan')"
        assert connection.execute(text(asked)).one() == ("1234ms", "off")
    done(worker, "users.upsert", user_id=1)
    for number in range(10):  # often enough for statements to be prepared
        settle(worker, *(job("users.update_balance", user_id=1, amount_kopeks=1) for _ in range(number)))
    assert balance(engine, "user:1") == 45
    found = findings(url)
    assert found["database.reachable"].found.endswith("through a pooler in session mode")
    assert found["database.session"].level == "ok"
    worker.dispose()
    assert timeout_of(url) == "0", "the pooler cleans a session before it gives it to another"


@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_transaction_mode_is_refused_before_anything_is_done(engine: Engine, pooled: Start, mode: str) -> None:
    url = pooled(mode)
    for _ in range(3):
        worker = make_engine(url, checked=True)
        with pytest.raises(DeploymentFault, match="a pooler in transaction mode") as caught:
            done(worker, "users.upsert", user_id=1)
        assert "session mode" in caught.value.remedy
        worker.dispose()
    assert rows(engine, "select * from jobs") == []
    assert timeout_of(url) == "0"
    finding = findings(url)["database.reachable"]
    assert (finding.level, "a pooler in transaction mode" in finding.found) == ("failure", True)
    assert "session mode" in finding.action


@pytest.mark.parametrize("round_robin", ["0", "1"])
def test_transaction_mode_is_found_out_among_others(database_url: str, pooled: Start, round_robin: str) -> None:
    """Sessions that others have used lie ready."""
    url = pooled("transaction", server_round_robin=round_robin)
    together = Barrier(4)

    def stranger(_: int) -> None:
        with psycopg.connect(plain(url)) as other:
            other.execute("select 1")
            together.wait(30)

    with ThreadPoolExecutor(4) as strangers:
        list(strangers.map(stranger, range(4)))
    worker = make_engine(url, checked=True)
    with pytest.raises(DeploymentFault, match="a pooler in transaction mode"), snapshot(worker):
        pass
    worker.dispose()


def plain(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def timeout_of(url: str) -> str:
    with psycopg.connect(plain(url), autocommit=True) as connection:
        row = connection.execute("select current_setting('lock_timeout')").fetchone()
    assert row is not None
    return str(row[0])
