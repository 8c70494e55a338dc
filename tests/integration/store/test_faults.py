"""Faults around a batch: told apart as transient or not, nothing of the batch is written, and it can be repeated.

The batch is broken at every statement that it makes, and at the commit.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import IntegrityError

from models.domain.deciding.commands import Job
from models.domain.errors import KeyRace, TransientFault
from models.store.connection.session import make_engine, snapshot
from tasks.apply.path import apply
from tests.integration.store.racing import engine_of_its_own
from tests.support.builders import LIMITS, balance, done, entries, execute, job, rows

STATEMENTS = 17  # that the batch below makes: test_the_batch_makes_so_many_statements
TABLES = (
    "accounts",
    "users",
    "wallets",
    "apps",
    "jobs",
    "entries",
    "grants",
    "policies",
    "charges",
    "outbox",
    "records",
    "journals",
)


@pytest.fixture
def accounts(engine: Engine) -> None:
    done(engine, "users.upsert", user_id=1)
    done(engine, "wallets.create", wallet_id="w")
    done(engine, "wallets.top_up", wallet_id="w", credits_to_add=5, priority=1, transaction_reason="INVOICE_REFUND")


def batch() -> list[Job]:
    """A batch that touches every table."""
    return [
        job("users.update_balance", user_id=1, amount_kopeks=5),
        job("wallets.create", wallet_id="new"),
        job("wallets.debit", wallet_id="w", credits=1),
        job("apps.update_balance", app_id="none", store_id=1, balance=1),
    ]


def contents(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    return {table: rows(engine, f"select * from {table} order by 1") for table in TABLES}


def applied(engine: Engine, jobs: list[Job]) -> list[str]:
    return [outcome.code for outcome in apply(engine, jobs, LIMITS)]


@contextmanager
def before_statement(engine: Engine, which: int | str, do: Callable[[Connection], None]) -> Iterator[list[str]]:
    """Calls `do` before a statement of the block, named by number (from 1) or by its start; yields those made."""
    made: list[str] = []

    def count(connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
        made.append(statement)
        if len(made) == which or (isinstance(which, str) and statement.startswith(which)):
            do(connection)

    event.listen(engine, "before_cursor_execute", count)
    try:
        yield made
    finally:
        event.remove(engine, "before_cursor_execute", count)


def kill(server: Engine) -> Callable[[Connection], None]:
    def do(connection: Connection) -> None:
        pid = connection.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
        with server.connect() as other:
            assert other.execute(text("select pg_terminate_backend(:pid, 5000)"), {"pid": pid}).scalar_one()

    return do


@pytest.mark.usefixtures("accounts")
def test_the_batch_makes_so_many_statements(engine: Engine, database_url: str) -> None:
    with engine_of_its_own(database_url) as worker, before_statement(worker, 0, lambda _: None) as made:
        worker.connect().close()
        made.clear()  # what a new connection asks is no part of it
        applied(worker, batch())
    assert len(made) == STATEMENTS, made


@pytest.mark.usefixtures("accounts")
@pytest.mark.parametrize("number", range(1, STATEMENTS + 1))
def test_a_connection_killed_before_any_statement_is_transient_and_nothing_is_written(
    engine: Engine, database_url: str, number: int
) -> None:
    before, jobs = contents(engine), batch()
    with engine_of_its_own(database_url) as worker:
        worker.connect().close()
        with before_statement(worker, number, kill(engine)), pytest.raises(TransientFault):
            applied(worker, jobs)
        assert contents(engine) == before
        assert applied(worker, jobs) == ["applied", "applied", "applied", "app_not_found"]
    assert (balance(engine, "user:1"), balance(engine, "wallet:w")) == (5, 4 * 10**9)


@pytest.mark.usefixtures("accounts")
def test_a_connection_killed_before_the_commit_is_transient_and_nothing_is_written(
    engine: Engine, database_url: str
) -> None:
    before, jobs = contents(engine), batch()
    with engine_of_its_own(database_url) as worker:
        event.listen(worker, "commit", kill(engine), once=True)
        with pytest.raises(TransientFault):
            applied(worker, jobs)
        assert contents(engine) == before
        assert applied(worker, jobs)[0] == "applied"


@pytest.mark.usefixtures("accounts")
def test_an_answer_lost_after_the_commit_is_a_replay_later(engine: Engine, database_url: str) -> None:
    jobs = batch()
    first = [outcome.document() for outcome in apply(engine, jobs, LIMITS)]
    with engine_of_its_own(database_url) as worker:
        again = [outcome.document() for outcome in apply(worker, jobs, LIMITS)]
    assert again == [{**document, "replayed": True} for document in first]


@pytest.mark.usefixtures("accounts")
def test_a_lock_that_is_held_too_long_is_transient(engine: Engine, database_url: str) -> None:
    jobs = batch()
    with engine_of_its_own(database_url, lock_timeout_ms=50) as worker, engine.connect() as holder:
        holder.execute(text("select id from accounts where ref = 'w' for update"))
        with pytest.raises(TransientFault, match="55P03"):
            applied(worker, jobs)
        holder.rollback()
        assert applied(worker, jobs)[0] == "applied"


@pytest.mark.usefixtures("accounts")
def test_a_statement_that_takes_too_long_is_transient(engine: Engine, database_url: str) -> None:
    execute(engine, "create function slow() returns trigger language plpgsql as"
                    " 'begin perform pg_sleep(5); return new; end'")  # fmt: skip
    execute(engine, "create trigger slow before insert on entries for each row execute function slow()")
    worker = make_engine(database_url, statement_timeout_ms=100)
    with pytest.raises(TransientFault, match="57014"):
        applied(worker, batch())
    worker.dispose()
    assert len(entries(engine, "wallet:w")) == 1


@pytest.mark.usefixtures("accounts")
@pytest.mark.parametrize("state", ["40001", "40P01", "53300", "57P03", "08006", "25006"])
def test_states_that_pass_are_transient(engine: Engine, database_url: str, state: str) -> None:
    with (
        engine_of_its_own(database_url) as worker,
        pytest.raises(TransientFault, match=state),
        snapshot(worker) as broken,
    ):
        broken.execute(text(f"do $$ begin raise exception 'boom' using errcode = '{state}'; end $$"))


def test_a_database_that_is_not_there_is_transient(database_url: str) -> None:
    nobody = make_engine(database_url.replace(database_url.rsplit("/", 1)[1], "no_such_database"))
    with pytest.raises(TransientFault, match="no_such_database"):
        applied(nobody, batch())


def test_a_server_that_is_not_there_is_transient(database_url: str) -> None:
    nobody = make_engine("postgresql+psycopg://balance:x@127.0.0.1:1/balance", connect_timeout_s=1)
    with pytest.raises(TransientFault, match="out of reach"):
        applied(nobody, batch())


def test_a_pool_with_no_free_connection_is_transient(database_url: str) -> None:
    worker = make_engine(database_url, pool_size=1, connect_timeout_s=1)
    with worker.connect(), pytest.raises(TransientFault, match="no free database connection"):
        applied(worker, batch())
    worker.dispose()


@pytest.mark.usefixtures("accounts")
def test_a_fault_of_one_job_is_not_transient_and_takes_its_batch_back(engine: Engine) -> None:
    execute(engine, "alter table entries add constraint no_fives check (amount <> 5)")
    before, jobs = contents(engine), batch()
    with pytest.raises(IntegrityError, match="no_fives"):
        applied(engine, jobs)
    assert contents(engine) == before
    assert applied(engine, jobs[1:]) == ["applied", "applied", "app_not_found"], "the others are well alone"
    with pytest.raises(IntegrityError, match="no_fives"):
        applied(engine, jobs[:1])


@pytest.mark.usefixtures("accounts")
def test_an_event_is_written_with_its_change_or_not_at_all(engine: Engine) -> None:
    execute(engine, "alter table outbox add constraint nothing_to_tell check (type <> 'user.balance.updated')")
    before, [correction, *_] = contents(engine), batch()
    with pytest.raises(IntegrityError, match="nothing_to_tell"):
        applied(engine, [correction])
    assert contents(engine) == before


@pytest.mark.usefixtures("accounts")
def test_a_key_taken_by_another_transaction_is_a_race_and_is_answered_after_it(
    engine: Engine, database_url: str
) -> None:
    asked = job("users.update_balance", user_id=1, amount_kopeks=5, idempotency_key="k")
    other = job("users.update_balance", user_id=404, amount_kopeks=5, idempotency_key="k")

    def settle_the_other(_: Connection) -> None:
        assert applied(engine, [other]) == ["user_not_found"]

    with engine_of_its_own(database_url) as worker:
        # Between looking the key up and writing the job: the last moment for a race.
        with before_statement(worker, "insert into jobs", settle_the_other), pytest.raises(KeyRace):
            applied(worker, [asked])
        assert applied(worker, [asked]) == ["idempotency_conflict"]
    assert balance(engine, "user:1") == 0
