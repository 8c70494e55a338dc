"""Nothing is answered by a session that does not see the tables of this version, and it goes on when they are there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count

import psycopg
import pytest
from alembic import command
from sqlalchemy import Engine, create_engine, make_url, text

from models.batch.outcome import StoredOutcome
from models.domain.deciding.commands import Job
from models.domain.errors import DeploymentFault
from models.domain.retry import RetryPolicy
from models.store.connection.session import make_engine, snapshot
from models.store.schema import migrations as schema
from tasks.apply.retries import RetryingApplier
from tasks.auto_topup import scan as autotopup
from tasks.scheduled import expiry
from tasks.scheduled import prune as housekeeping
from tests.support.builders import LIMITS, job
from tests.support.servers import servers
from worker.local.servers.embedded import EmbeddedPostgres

HEAD = schema.head()

Change = Callable[[str], None]


@dataclass(frozen=True)
class Way:
    """How the tables of the database at a URL come to be others than those of this version, and are again."""

    spoil: Change
    mend: Change
    says: Sequence[str]  # also the remedy


def sql(*statements: str) -> Change:
    """{database} stands for the name of the database; statements run as the owner, in the schema public."""

    def run(url: str) -> None:
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("set search_path = public"))
            for statement in statements:
                connection.execute(text(statement.format(database=make_url(url).database)))
        engine.dispose()

    return run


def path(*schemas: str) -> str:
    return f'alter database "{{database}}" set search_path = {", ".join(schemas)}'


MIGRATE = "run `balance-worker migrate`"
BACK = 'alter database "{database}" reset search_path'
WAYS = {
    "no tables": Way(
        partial(schema.downgrade, revision="base"),
        schema.upgrade,
        [f"revision {HEAD} is needed, none is there", MIGRATE],
    ),
    "older ones": Way(
        partial(schema.downgrade, revision="0001"), schema.upgrade, [f"{HEAD} is needed, 0001 is there", MIGRATE]
    ),
    "newer ones": Way(
        sql("update alembic_version set version_num = '0099'"),
        sql(f"update alembic_version set version_num = '{HEAD}'"),
        [f"{HEAD} is needed, 0099 is there, which this version does not know", f"migrate --down {HEAD}"],
    ),
    "no revision": Way(
        sql("alter table alembic_version rename to gone"),
        sql("alter table gone rename to alembic_version"),
        ["none is there, and tables of other origin are: accounts, anchors, apps", "search_path"],
    ),
    "a table lost": Way(
        sql("alter table jobs rename to gone"),
        sql("alter table gone rename to jobs"),
        [f"revision {HEAD} is there, but not jobs", "backup"],
    ),
    "a column lost": Way(
        sql("alter table accounts rename column held to gone"),
        sql("alter table accounts rename column gone to held"),
        [f"revision {HEAD} is there, but not accounts.held", "backup"],
    ),
    "a view in place of a table": Way(
        sql("alter table outbox rename to gone", "create view outbox as select * from gone"),
        sql("drop view outbox", "alter table gone rename to outbox"),
        [f"revision {HEAD} is there, but not outbox"],
    ),
    "a table of the same name before ours": Way(
        sql("create schema other", "create table other.users (id integer)", path("other", "public")),
        sql(BACK),
        [f"revision {HEAD} is there, but not users.account_id"],
    ),
    "a copy before ours": Way(
        sql("create schema other", "create table other.accounts (like accounts)", path("other", "public")),
        sql(BACK),
        ["several schemas: other, public", "search_path"],
    ),
    "another application's": Way(
        sql(
            "create schema other",
            "create table other.alembic_version (version_num text)",
            "insert into other.alembic_version values ('7ac4')",
            "create table other.jobs (id integer)",
            path("other"),
        ),
        sql(BACK),
        [f"{HEAD} is needed, 7ac4 is there, which this version does not know"],
    ),
    "out of sight": Way(sql(path("nowhere")), sql(BACK), ["none is there, but one in schema public", "search_path"]),
}
# A session that goes on sees what it saw: another search_path is for new ones, and so is another number.
NOTICED = ["no tables", "older ones", "a table lost", "a column lost"]
numbers = count(1)


def asked() -> Job:
    return job("users.upsert", user_id=next(numbers))


@contextmanager
def working(url: str) -> Iterator[Engine]:
    """An engine as a worker has it."""
    engine = make_engine(url, checked=True)
    yield engine
    engine.dispose()


def applier(engine: Engine, wait: Callable[[float], None] = lambda _: None) -> RetryingApplier:
    return RetryingApplier(engine, LIMITS, RetryPolicy(), wait, lambda: 0.5)


def held_until_mended(engine: Engine, url: str, way: Way) -> None:
    steps = applier(engine).applying([asked()])
    assert [next(steps) > 0 for _ in range(3)] == [True] * 3
    with pytest.raises(DeploymentFault) as caught, snapshot(engine):
        pass
    for said in way.says:
        assert said in f"{caught.value}; {caught.value.remedy}"
    way.mend(url)
    with pytest.raises(StopIteration) as over:
        next(steps)
    assert [type(each) for each in over.value.value] == [StoredOutcome]


@pytest.mark.parametrize("name", WAYS)
def test_a_worker_that_starts_holds_everything_until_its_tables_are_there(database_url: str, name: str) -> None:
    WAYS[name].spoil(database_url)
    with working(database_url) as engine:
        held_until_mended(engine, database_url, WAYS[name])


@pytest.mark.parametrize("name", NOTICED)
def test_a_worker_that_runs_does_when_they_are_gone(database_url: str, name: str) -> None:
    with working(database_url) as engine:
        applier(engine).apply([asked()])
        WAYS[name].spoil(database_url)
        held_until_mended(engine, database_url, WAYS[name])


def test_a_database_that_is_made_anew_under_a_running_worker(postgres: EmbeddedPostgres, database_url: str) -> None:
    name = make_url(database_url).database or ""
    with working(database_url) as engine:
        applier(engine).apply([asked()])
        servers.drop_database(postgres.url, name)
        servers.create_database(postgres.url, name)
        held_until_mended(engine, database_url, WAYS["no tables"])


def test_a_migration_that_is_under_way_is_waited_out(empty_database_url: str) -> None:
    migrating = create_engine(empty_database_url)
    with working(empty_database_url) as engine, migrating.connect() as connection:
        config = schema._config(empty_database_url)
        config.attributes["connection"] = connection
        migration = connection.begin()
        command.upgrade(config, "head")
        steps = applier(engine).applying([asked()])
        assert [next(steps) > 0 for _ in range(3)] == [True] * 3
        migration.commit()
        with pytest.raises(StopIteration) as over:
            next(steps)
        assert [type(each) for each in over.value.value] == [StoredOutcome]
    migrating.dispose()


@pytest.mark.parametrize(
    "sweep",
    [
        lambda applier: autotopup.scan(applier, 10),
        lambda applier: expiry.expire(applier, 10),
        lambda applier: housekeeping.prune(applier, 1, 10),
    ],
    ids=["autotopup.scan", "credits.expire", "jobs.prune"],
)
def test_a_sweep_waits_like_a_worker(database_url: str, sweep: Callable[[RetryingApplier], int]) -> None:
    way, waits = WAYS["older ones"], count(1)
    way.spoil(database_url)

    def wait(_: float) -> None:
        if next(waits) == 3:
            way.mend(database_url)

    with working(database_url) as engine:
        assert sweep(applier(engine, wait)) == 0
    assert next(waits) == 4


def test_a_database_that_cannot_keep_every_text(postgres: EmbeddedPostgres, unique_queue: str) -> None:
    name = f"t_{unique_queue.rpartition('.')[2]}"
    made = "encoding 'LATIN1' locale_provider libc lc_collate 'C' lc_ctype 'C' template template0"
    with psycopg.connect(postgres.url.replace("+psycopg", "", 1), autocommit=True) as connection:
        connection.execute(f"create database {name} {made}".encode())
    url = servers.with_database(postgres.url, name)
    schema.upgrade(url)
    with working(url) as worker, pytest.raises(DeploymentFault, match="LATIN1") as caught, snapshot(worker):
        pass
    assert "UTF8" in caught.value.remedy
    servers.drop_database(postgres.url, name)


def test_a_revision_that_may_not_be_read_is_the_deployments(engine: Engine, database_url: str) -> None:
    with engine.connect() as connection:
        role = f"reader_{make_url(database_url).database}"
        connection.execute(text(f"create role {role} login password 'r'"))
        connection.commit()
    url = make_url(database_url).set(username=role, password="r").render_as_string(hide_password=False)
    with working(url) as worker, pytest.raises(DeploymentFault, match="42501") as caught, snapshot(worker):
        pass
    assert "doctor" in caught.value.remedy
    with engine.connect() as connection:
        connection.execute(text(f"drop role {role}"))
        connection.commit()
