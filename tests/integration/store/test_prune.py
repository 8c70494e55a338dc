"""Pruning drops the bodies of old jobs: their keys, and all that they were answered, are given for ever.

A body is found in its day, in no day when it had none, or in the row of its job: each is pruned in its own way.
"""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import Engine, text

from models.store.audit.ledger import audit
from models.store.connection.session import snapshot, transaction
from models.store.write import bodies, jobs
from tests.integration.store.racing import engine_of_its_own
from tests.support.aged import settle_earlier, settle_in_own_rows
from tests.support.builders import Document, ask, balance, done, events, execute, rows
from tests.support.servers import citus

DAYS = 30
RUNBOOK: Final = Path(__file__).parents[3] / "docs" / "runbook.md"
KEPT: Final = """
    select j.idempotency_key as key from jobs j left join job_bodies b on b.job_id = j.id
    where coalesce(j.body, b.body) is not null order by 1
"""
PARTITIONS: Final = """
    select c.relname as name from pg_inherits i join pg_class c on c.oid = inhrelid
    where inhparent = cast('job_bodies' as regclass) and c.relname <> 'job_bodies_rest' order by 1
"""
PLACES: Final[dict[str, Callable[..., None]]] = {
    "in its day": partial(settle_earlier, has_day=True),
    "in no day": partial(settle_earlier, has_day=False),
    "in the row of its job": settle_in_own_rows,
}


by_the_day = pytest.mark.skipif(citus.URL is not None, reason="on Citus bodies have no days: docs/decisions/0030")


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def prune(engine: Engine, limit: int = 100) -> int:
    with transaction(engine) as connection:
        return jobs.prune(connection, DAYS, limit)


def kept(engine: Engine) -> list[str]:
    return [row["key"] for row in rows(engine, KEPT)]


def days(engine: Engine) -> list[str]:
    return [row["name"] for row in rows(engine, PARTITIONS)]


def fill(engine: Engine) -> None:
    """A job that was applied, one that changed nothing and one that was refused."""
    done(engine, "users.upsert", user_id=1, idempotency_key="made")
    done(engine, "users.update_balance", user_id=1, amount_kopeks=100, idempotency_key="applied")
    done(engine, "users.upsert", user_id=1, idempotency_key="unchanged")
    ask(engine, "users.update_balance", user_id=1, amount_kopeks=-999, idempotency_key="refused")


@pytest.fixture
def settled(engine: Engine, place: str) -> dict[str, Document]:
    """All of them old, as they are answered now."""
    fill(engine)
    PLACES[place](engine, f"{DAYS + 2} days")
    return {
        "applied": again(engine, "applied", 100),
        "unchanged": ask(engine, "users.upsert", user_id=1, idempotency_key="unchanged"),
        "refused": again(engine, "refused", -999),
    }


def again(engine: Engine, key: str, amount: int) -> Document:
    return ask(engine, "users.update_balance", user_id=1, amount_kopeks=amount, idempotency_key=key)


def test_the_whole_answer_is_given_after_pruning(engine: Engine, settled: dict[str, Document]) -> None:
    before = rows(engine, "select id, outcome::text from jobs order by id")
    assert prune(engine) > 0
    assert kept(engine) == []
    assert rows(engine, "select id, outcome::text from jobs order by id") == before, "to the letter"
    assert again(engine, "applied", 100) == settled["applied"]
    assert again(engine, "refused", -999) == settled["refused"]
    assert ask(engine, "users.upsert", user_id=1, idempotency_key="unchanged") == settled["unchanged"]
    assert settled["applied"]["response"]["balance_kopeks"] == balance(engine, "user:1") == 100
    assert settled["refused"]["error"]["status"] == 402


@pytest.mark.usefixtures("settled")
def test_events_that_have_not_left_stay_as_they_are(engine: Engine) -> None:
    before = events(engine)
    assert [kind for kind, _ in before] == ["user.balance.updated", "job.rejected"]
    assert prune(engine) > 0
    assert events(engine) == before


@pytest.mark.usefixtures("settled")
def test_a_key_reused_with_another_meaning_is_refused_before_and_after(engine: Engine) -> None:
    first = again(engine, "applied", 101)
    assert first["error"]["body"]["detail"]["fields"] == {"amount_kopeks": {"first": 100, "now": 101}}
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
def test_what_is_younger_stays_whole(engine: Engine, place: str) -> None:
    PLACES[place](engine, f"{DAYS - 1} days", "idempotency_key = 'applied'")
    assert prune(engine) > 0
    assert kept(engine) == ["applied"]
    assert again(engine, "applied", 100)["response"]["balance_kopeks"] == 100


@pytest.mark.usefixtures("settled")
def test_what_is_pruned_is_recorded_and_nothing_else_may_go(engine: Engine) -> None:
    prune(engine)
    [record] = rows(engine, "select content from records where kind = 'pruned'")
    assert datetime.fromisoformat(record["content"]["until"]) <= datetime.now(UTC) - timedelta(days=DAYS)
    assert prune(engine) == 0
    assert len(rows(engine, "select 1 from records where kind = 'pruned'")) == 1, "of nothing there is no record"


@pytest.mark.tampered_ledger
@pytest.mark.usefixtures("settled")
def test_a_body_gone_after_what_was_pruned_was_taken_away(engine: Engine, place: str) -> None:
    done(engine, "users.upsert", user_id=2, idempotency_key="young")
    prune(engine)
    assert execute(engine, "delete from job_bodies") == 1
    [found] = audit(engine).findings
    assert found.problem == "its body is gone, and no record says that it was pruned"


@pytest.mark.parametrize("place", ["in no day", "in the row of its job"], indirect=True)
@pytest.mark.usefixtures("settled")
def test_goes_by_batches_the_oldest_first_and_prunes_once(engine: Engine, place: str) -> None:
    PLACES[place](engine, f"{DAYS + 9} days", "idempotency_key = 'refused'")
    assert prune(engine, limit=1) == 1
    assert kept(engine) == ["applied", "made", "unchanged"]
    assert [prune(engine, limit=2), prune(engine, limit=2), prune(engine, limit=2)] == [2, 1, 0]


@pytest.mark.parametrize("place", ["in no day", "in the row of its job"], indirect=True)
@pytest.mark.usefixtures("settled")
def test_a_second_pruner_takes_what_the_first_has_not(engine: Engine, database_url: str) -> None:
    with engine_of_its_own(database_url) as other, other.connect() as first, ThreadPoolExecutor(1) as pool:
        assert jobs.prune(first, DAYS, 3) == 3
        assert pool.submit(prune, engine).result(30) == 1, "it neither waits nor prunes twice"
        first.commit()
    assert kept(engine) == []


def test_finds_old_jobs_through_an_index(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("set local enable_seqscan = off"))
        plan = connection.execute(
            text(
                "explain select id from jobs where body is not null and settled_at < now() order by settled_at limit 9"
            )
        )
        assert "ix_jobs_unpruned" in "\n".join(plan.scalars())


# --- days


@pytest.fixture
def old_day(engine: Engine) -> str:
    """The partition of a day that is over for long enough, with a few bodies."""
    before = days(engine)
    fill(engine)
    settle_earlier(engine, f"{DAYS + 2} days")
    [added] = {*days(engine)} - {*before}
    return added


@by_the_day
def test_two_weeks_ahead_have_their_days_and_a_body_goes_to_its_own(engine: Engine) -> None:
    today = datetime.now(UTC).date()
    ahead = [f"job_bodies_{today + timedelta(days=day):%Y%m%d}" for day in range(15)]
    execute(engine, f"drop table {ahead[13]}, {ahead[14]}")
    prune(engine)
    assert set(ahead) <= {*days(engine)}
    fill(engine)
    found = {row["day"] for row in rows(engine, "select cast(tableoid as regclass)::text as day from job_bodies")}
    assert found <= {ahead[0], ahead[1]}, "today, or midnight has just passed"


@by_the_day
def test_a_day_that_has_begun_without_a_partition_gets_none_and_stops_nobody(engine: Engine) -> None:
    for day in days(engine):
        execute(engine, f"drop table {day}")
    fill(engine)
    assert len(rows(engine, "select 1 from job_bodies_rest")) == 4
    execute(engine, "insert into job_bodies_rest values (first_job_id(now() + interval '3 days'), '{}')")
    prune(engine)
    today = datetime.now(UTC).date()
    ahead = {f"job_bodies_{today + timedelta(days=day):%Y%m%d}" for day in range(1, 15) if day != 3}
    assert {*days(engine)} == ahead, "but for the day that has something in the rest already"
    execute(engine, "delete from job_bodies where body::text = '{}'")


@by_the_day
def test_a_day_that_is_over_is_dropped(engine: Engine, old_day: str) -> None:
    assert prune(engine, limit=1) > 0
    assert old_day not in days(engine)
    assert kept(engine) == []


@by_the_day
def test_a_day_that_is_not_over_for_long_enough_is_not(engine: Engine) -> None:
    fill(engine)
    settle_earlier(engine, f"{DAYS} days")
    assert prune(engine) == 0
    assert len(kept(engine)) == 4


@by_the_day
def test_a_day_that_somebody_reads_waits_and_nobody_waits_for_it(
    engine: Engine, database_url: str, old_day: str
) -> None:
    with engine_of_its_own(database_url) as other, snapshot(other) as reading:
        bodies.keep(reading)
        assert prune(engine) == 0
        assert done(engine, "users.update_balance", user_id=1, amount_kopeks=1)["code"] == "applied"
        assert len(rows(engine, f"select 1 from {old_day}")) == 4
    assert prune(engine) > 0
    assert old_day not in days(engine)


@by_the_day
def test_a_day_is_emptied_while_others_write_and_dropped_when_nobody_does(
    engine: Engine, database_url: str, old_day: str
) -> None:
    with engine_of_its_own(database_url) as other, other.connect() as writing:
        writing.execute(text("insert into job_bodies values (first_job_id(clock_timestamp()), '{}')"))
        assert prune(engine) > 0
        assert old_day in days(engine)
        assert rows(engine, f"select 1 from {old_day}") == []
        writing.rollback()
    assert prune(engine) == 0, "nothing is recorded twice"
    assert old_day not in days(engine)


@by_the_day
def test_an_audit_sees_the_bodies_of_its_moment(engine: Engine, database_url: str, old_day: str) -> None:
    """Whatever goes meanwhile: a day that is dropped is dropped for those as well who see the moment before."""
    with engine_of_its_own(database_url) as other, snapshot(other) as reading:
        bodies.keep(reading)
        done(engine, "users.upsert", user_id=2, idempotency_key="late")
        count = "select count(*) from jobs where idempotency_key = 'late'"
        assert reading.execute(text(count)).scalar_one() == 1, "the moment begins after nothing can go any more"
        prune(engine)
        assert len(reading.execute(text(f"select 1 from {old_day}")).all()) == 4


@by_the_day
def test_a_rest_that_is_large_is_not_read_while_others_wait_and_goes_into_days_by_hand(engine: Engine) -> None:
    """As docs/runbook.md says it."""
    for day in days(engine):
        execute(engine, f"drop table {day}")
    fill(engine)
    before = kept(engine)
    with engine.begin() as connection:  # never committed: it only takes the room
        connection.execute(
            text("insert into job_bodies select gen_random_uuid(), to_json(repeat(md5(cast(n as text)), 50)) from"
                 " generate_series(1, 14_000) as n")
        )  # fmt: skip
        connection.rollback()
    prune(engine)
    assert days(engine) == []
    steps = re.findall(r"```sql\n(.*?)```", RUNBOOK.read_text().partition("## Bodies without a day")[2], re.DOTALL)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as owner:
        owner.exec_driver_sql(steps[0].replace("'2026-11-01'", "current_date - 1"))
    assert kept(engine) == before
    assert rows(engine, "select 1 from job_bodies_rest") == []
    assert len(days(engine)) >= 15
