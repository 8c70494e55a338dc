"""Silence of the database is told, and ends; a commit that waits for a synchronous standby is not taken for done."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, Engine, event, make_url, text

from models.batch.outcome import StoredOutcome
from models.domain.deciding.commands import Job
from models.domain.errors import KeyRace, TransientFault
from models.store.connection import patience
from models.store.connection.patience import Patience, PatientConnection, Silence
from models.store.connection.session import make_engine, snapshot
from tasks.apply.path import apply
from tests.acceptance.system import wait_until
from tests.support.builders import LIMITS, execute, job, rows
from tests.support.servers.postgres_pair import configure, run
from tests.support.servers.proxy import Proxy
from worker.local.servers.embedded import EmbeddedPostgres

NOBODY = "nobody"  # a standby that never comes
LIMIT_S = 2.0


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRST_LOOK_S", "LOOK_EVERY_S", "STOP_AFTER_S"):
        monkeypatch.setattr(patience, name, 0.3)
    monkeypatch.setattr(patience, "_ASKING_S", 10)  # a busy machine is not a frozen server


@pytest.fixture
def lonely(postgres: EmbeddedPostgres, database_url: str) -> Iterator[EmbeddedPostgres]:
    """The server, with a synchronous standby that is away; for this test's database alone commits wait for it."""
    run(postgres, f'alter database "{make_url(database_url).database}" set synchronous_commit = on')
    configure(postgres, synchronous_standby_names=NOBODY)
    yield postgres
    configure(postgres, synchronous_standby_names="")


class Worker:
    """Applies jobs in a thread, as a process that may be told to stop, and says what it was told."""

    def __init__(self, url: str, standbys: bool = True, limit_s: float = LIMIT_S) -> None:
        self.told: list[Silence] = []
        self.to_stop: Callable[[], bool] = lambda: False
        self.engine = make_engine(
            url, patience=lambda _: Patience(limit_s, standbys, lambda: self.to_stop(), self.told.append)
        )
        self._pool = ThreadPoolExecutor(1)

    def apply(self, asked: Job) -> Future[list[StoredOutcome]]:
        return self._pool.submit(apply, self.engine, [asked], LIMITS)

    def waits_for_standby(self) -> None:
        self.told.clear()
        wait_until("it to wait for a standby", lambda: any(each.work and each.work.for_standby for each in self.told))

    def close(self) -> None:
        self._pool.shutdown()
        self.engine.dispose()


@contextmanager
def working(url: str, standbys: bool = True, limit_s: float = LIMIT_S) -> Iterator[Worker]:
    worker = Worker(url, standbys, limit_s)
    yield worker
    worker.close()


def waiting(engine: Engine) -> list[int]:
    """The processes of this database whose commit waits for a standby."""
    question = "select pid from pg_stat_activity where datname = current_database() and wait_event = 'SyncRep'"
    return [row["pid"] for row in rows(engine, question)]


def upsert() -> Job:
    return job("users.upsert", user_id=1, idempotency_key="k")


def of_nobody() -> Job:
    """Refused: it locks no account and, when it comes again, writes nothing."""
    return job("users.update_balance", user_id=7, amount_kopeks=1, idempotency_key="k")


def test_a_commit_waits_on_and_on_for_its_standby_and_is_done_when_that_is_back(
    lonely: EmbeddedPostgres, database_url: str
) -> None:
    with working(database_url) as worker:
        answer = worker.apply(upsert())
        wait_until("it to wait longer than for anything else", lambda: [s for s in worker.told if s.seconds > LIMIT_S])
        assert not answer.done()
        configure(lonely, synchronous_standby_names="")
        assert [outcome.replayed for outcome in answer.result(30)] == [False]


@pytest.mark.parametrize("how", ["told to stop", "Ctrl-C", "no patience for standbys"])
def test_whoever_does_not_wait_on_takes_nothing_for_done(
    lonely: EmbeddedPostgres, engine: Engine, database_url: str, how: str
) -> None:
    def interrupted() -> bool:
        if worker.told:
            raise KeyboardInterrupt
        return False

    with working(database_url, standbys=how != "no patience for standbys") as worker:
        if how != "no patience for standbys":
            worker.to_stop = interrupted if how == "Ctrl-C" else lambda: bool(worker.told)
        with pytest.raises(KeyboardInterrupt if how == "Ctrl-C" else TransientFault):
            worker.apply(upsert()).result(30)
        assert waiting(engine), "it is not cancelled: that would be to do without the standby"
        assert rows(engine, "select * from jobs") == []
        configure(lonely, synchronous_standby_names="")
        wait_until("the commit", lambda: rows(engine, "select * from jobs"))
        worker.to_stop = lambda: False
        assert [outcome.replayed for outcome in worker.apply(upsert()).result(30)] == [True]


@pytest.mark.parametrize("function", ["pg_cancel_backend", "pg_terminate_backend"])
@pytest.mark.parametrize("asked", [upsert(), of_nobody()], ids=["applied", "refused"])
def test_a_wait_that_somebody_ended_is_no_answer_and_neither_is_what_it_left_behind(
    lonely: EmbeddedPostgres, engine: Engine, database_url: str, asked: Job, function: str
) -> None:
    with working(database_url) as worker:
        answer = worker.apply(asked)
        [pid] = wait_until("the commit to wait", lambda: waiting(engine))
        rows(engine, f"select {function}({pid})")
        with pytest.raises(TransientFault):
            answer.result(30)
        assert len(rows(engine, "select * from jobs")) == 1, "it can be read, and a failover would take it back"
        again = worker.apply(asked)
        worker.waits_for_standby()
        assert not again.done()
        configure(lonely, synchronous_standby_names="")
        assert [outcome.replayed for outcome in again.result(30)] == [True]


@contextmanager
def frozen(connection: Connection) -> Iterator[None]:
    pid = connection.execute(text("select pg_backend_pid()")).scalar_one()
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_server_that_is_frozen_is_given_up(database_url: str) -> None:
    with (
        working(database_url) as worker,
        pytest.raises(TransientFault, match="no answer for"),
        snapshot(worker.engine) as connection,
        frozen(connection),
    ):
        connection.execute(text("select 1"))
    assert worker.told[0].work is None


def answered(worker: Worker) -> list[StoredOutcome] | None:
    """None while the server is still at what has arrived late."""
    try:
        return worker.apply(upsert()).result(30)
    except KeyRace:
        return None


@pytest.mark.parametrize("at", ["a statement", "the commit"])
def test_a_network_that_swallows_everything_is_given_up_and_what_was_done_is_replayed(
    postgres: EmbeddedPostgres, engine: Engine, database_url: str, at: str
) -> None:
    with Proxy(database_url) as link, working(link.url) as worker:
        worker.engine.connect().close()
        event.listen(
            worker.engine,
            "before_cursor_execute" if at == "a statement" else "commit",
            lambda *_: link.go_silent(for_all=True),
            once=True,
        )
        with pytest.raises(TransientFault, match="no answer for"):
            worker.apply(upsert()).result(30)
        assert worker.told[0].work is None
        link.heal()
        # What the network had swallowed arrives now, and may be on its way still.
        wait_until("an answer", lambda: answered(worker))
    assert len(rows(engine, "select * from jobs")) == 1


def test_a_connection_that_the_server_knows_nothing_of_is_given_up_at_once(engine: Engine, database_url: str) -> None:
    """The name leads to another server now, or to the same one that was restarted, and nobody told this side."""
    with Proxy(database_url) as link, working(link.url, limit_s=600) as worker:
        with snapshot(worker.engine) as connection:
            pid = connection.execute(text("select pg_backend_pid()")).scalar_one()
        link.go_silent()
        answer = worker.apply(upsert())
        rows(engine, f"select pg_terminate_backend({pid}, 5000)")
        with pytest.raises(TransientFault, match="knows nothing of this connection"):
            answer.result(30)
        assert [outcome.replayed for outcome in worker.apply(upsert()).result(30)] == [False]


def test_an_answer_that_comes_while_the_server_is_asked_is_taken(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow_to_ask(connection: PatientConnection, _: float) -> None:
        assert connection.session is not None
        state = f"select state from pg_stat_activity where pid = {connection.session.pid}"
        wait_until("the statement to end", lambda: rows(engine, state) == [{"state": "idle in transaction"}])

    monkeypatch.setattr(PatientConnection, "_work", slow_to_ask)
    with working(database_url, limit_s=0.3) as worker, snapshot(worker.engine) as connection:
        assert connection.execute(text("select 1 from pg_sleep(1)")).scalar_one() == 1
    assert worker.told


def test_a_server_that_works_on_one_statement_after_another_is_not_given_up(engine: Engine, database_url: str) -> None:
    execute(engine, "create function slow() returns trigger language plpgsql as"
                    " 'begin perform pg_sleep(2); return null; end'")  # fmt: skip
    for table in ("accounts", "users", "jobs"):
        execute(engine, f"create trigger slow after insert on {table} for each statement execute function slow()")
    limit_s = 5.0
    with working(database_url, limit_s=limit_s) as worker:
        assert [outcome.replayed for outcome in worker.apply(upsert()).result(30)] == [False]
    assert max(silence.seconds for silence in worker.told) > limit_s
    assert any("PgSleep" in str(silence.work) for silence in worker.told)
