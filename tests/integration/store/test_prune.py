"""Pruning drops the bodies of old jobs: their keys, and all that they were answered, are given for ever."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from models.store.connection.session import transaction
from models.store.write import jobs
from tests.integration.store.racing import engine_of_its_own
from tests.support.builders import Document, ask, balance, done, events, rows
from tests.support.resealed import execute_resealed

DAYS = 30


def prune(engine: Engine, limit: int = 100) -> int:
    with transaction(engine) as connection:
        return jobs.prune(connection, DAYS, limit)


def age(engine: Engine, days: int, where: str = "true") -> None:
    execute_resealed(engine, f"update jobs set settled_at = now() - make_interval(days => {days}) where {where}")


@pytest.fixture
def settled(engine: Engine) -> dict[str, Document]:
    """A job that was applied, one that changed nothing and one that was refused; all of them old."""
    done(engine, "users.upsert", user_id=1)
    answers = {
        "applied": done(engine, "users.update_balance", user_id=1, amount_kopeks=100, idempotency_key="applied"),
        "unchanged": done(engine, "users.upsert", user_id=1, idempotency_key="unchanged"),
        "refused": ask(engine, "users.update_balance", user_id=1, amount_kopeks=-999, idempotency_key="refused"),
    }
    age(engine, DAYS + 1)
    return answers


def again(engine: Engine, key: str, amount: int) -> Document:
    return ask(engine, "users.update_balance", user_id=1, amount_kopeks=amount, idempotency_key=key)


def test_the_whole_answer_is_given_after_pruning(engine: Engine, settled: dict[str, Document]) -> None:
    before = rows(engine, "select id, outcome::text from jobs order by id")
    assert prune(engine) == 4
    assert rows(engine, "select id, outcome::text from jobs order by id") == before, "to the letter"
    assert again(engine, "applied", 100) == {**settled["applied"], "replayed": True}
    assert again(engine, "refused", -999) == {**settled["refused"], "replayed": True}
    assert ask(engine, "users.upsert", user_id=1, idempotency_key="unchanged") == {
        **settled["unchanged"],
        "replayed": True,
    }
    assert settled["applied"]["response"]["balance_kopeks"] == balance(engine, "user:1") == 100
    assert settled["refused"]["error"]["status"] == 402


@pytest.mark.usefixtures("settled")
def test_events_that_have_not_left_stay_as_they_are(engine: Engine) -> None:
    before = events(engine)
    assert [kind for kind, _ in before] == ["user.balance.updated", "job.rejected"]
    assert prune(engine) == 4
    assert events(engine) == before


@pytest.mark.usefixtures("settled")
def test_a_key_reused_with_another_meaning_is_still_refused(engine: Engine) -> None:
    prune(engine)
    document = again(engine, "applied", 101)
    assert document["code"] == "idempotency_conflict"
    assert document["error"]["body"]["detail"]["fields"] == "the first body is no longer kept"
    assert balance(engine, "user:1") == 100


@pytest.mark.usefixtures("settled")
def test_an_entry_of_a_pruned_job_can_be_reversed(engine: Engine, settled: dict[str, Document]) -> None:
    prune(engine)
    assert done(engine, "entries.reverse", job_id=settled["applied"]["job_id"])["entry"]["amount"] == -100


@pytest.mark.usefixtures("settled")
def test_what_is_younger_stays_whole(engine: Engine) -> None:
    age(engine, DAYS - 1, "idempotency_key = 'applied'")
    before = rows(engine, "select outcome::text, body::text from jobs where idempotency_key = 'applied'")
    assert prune(engine) == 3
    after = rows(engine, "select outcome::text, body::text from jobs where idempotency_key = 'applied'")
    assert before == after
    assert again(engine, "applied", 100)["response"]["balance_kopeks"] == 100


@pytest.mark.usefixtures("settled")
def test_goes_by_batches_the_oldest_first_and_prunes_once(engine: Engine) -> None:
    age(engine, DAYS + 9, "idempotency_key = 'refused'")
    assert prune(engine, limit=1) == 1
    assert rows(engine, "select idempotency_key from jobs where body is null") == [{"idempotency_key": "refused"}]
    assert [prune(engine, limit=2), prune(engine, limit=2), prune(engine, limit=2)] == [2, 1, 0]


@pytest.mark.usefixtures("settled")
def test_a_second_pruner_takes_what_the_first_has_not(engine: Engine, database_url: str) -> None:
    with engine_of_its_own(database_url) as other, other.connect() as first, ThreadPoolExecutor(1) as pool:
        assert jobs.prune(first, DAYS, 3) == 3
        assert pool.submit(prune, engine).result(30) == 1, "it neither waits nor prunes twice"
        first.commit()
    assert rows(engine, "select 1 from jobs where body is not null") == []


def test_finds_old_jobs_through_an_index(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("set local enable_seqscan = off"))
        plan = connection.execute(
            text(
                "explain select id from jobs where body is not null and settled_at < now() order by settled_at limit 9"
            )
        )
        assert "ix_jobs_unpruned" in "\n".join(plan.scalars())
