"""The reader of pages cannot write, whoever asks it to, and gives up in time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection, Engine, make_url, text
from sqlalchemy.exc import DBAPIError

from models.domain.errors import DeploymentFault
from models.store.connection.session import make_engine
from models.store.server.privileges import PRUNING, READERS, SEQUENCE, beyond, missing
from models.store.server.roles import grant
from models.tables.every import METADATA
from tests.support.builders import done, execute
from worker.doctor.database import examine_database
from worker.doctor.finding import Level
from worker.doctor.flower import examine_reading
from worker.flower.pages.reader import Away, Reader
from worker.settings.settings import Settings


@pytest.fixture
def reading_url(engine: Engine, database_url: str) -> Iterator[str]:
    """The database as the role that only reads."""
    role = f"reader_{make_url(database_url).database}"
    assert grant(engine, role, "r", READERS)
    yield make_url(database_url).set(username=role, password="r").render_as_string(hide_password=False)
    execute(engine, f"drop owned by {role}; drop role {role}")


@pytest.fixture
def reader(reading_url: str) -> Iterator[Reader]:
    made = Reader(Settings(flower_database_url=reading_url, flower_statement_timeout_ms=300))
    yield made
    made.close()


def told(reader: Reader, what: Callable[[Connection], object]) -> str:
    with pytest.raises(Away) as away:
        asyncio.run(reader.read(what))
    return str(away.value)


def test_who_has_the_reading_role_alone_is_not_told_that_workers_lack_something(reading_url: str) -> None:
    settings = Settings(database_url=reading_url, flower_database_url=reading_url)
    told = {each.check: each.level for each in examine_database(settings)}
    assert told["database.privileges"] is Level.OK
    assert told["database.migrations"] is Level.OK
    as_worker = {each.check: each.level for each in examine_database(Settings(database_url=reading_url))}
    assert as_worker["database.privileges"] is Level.FAILURE


def test_the_role_has_what_it_needs_and_the_doctor_names_what_is_more(engine: Engine, reading_url: str) -> None:
    role = make_url(reading_url).username
    for given, found in (
        ("", []),
        (f"grant update (balance) on accounts to {role}", ["may update (balance) on accounts"]),
        (f"grant execute on function {PRUNING} to {role}", [f"may execute on function {PRUNING}"]),
        (f"grant usage on sequence {SEQUENCE} to {role}", [f"may usage on sequence {SEQUENCE}"]),
    ):
        if given:
            execute(engine, given)
        as_reader = make_engine(reading_url)
        with as_reader.connect() as connection:
            assert (missing(connection, READERS), beyond(connection, READERS)) == ([], found)
        as_reader.dispose()
        assert grant(engine, str(role), rights=READERS), "what is more is taken"


def test_the_doctor_looks_as_that_role(engine: Engine, reading_url: str, database_url: str) -> None:
    def found(url: str | None) -> list[tuple[str, str]]:
        return [(each.level.value, each.found) for each in examine_reading(Settings(flower_database_url=url))]

    role = make_url(reading_url).username
    assert found(None) == []
    assert found(reading_url) == [("ok", "what reading needs, and no more")]
    assert found(database_url) == [("warning", "this role is a superuser")]
    execute(engine, f"revoke select on jobs from {role}")
    assert found(reading_url) == [("failure", "missing: select on jobs")]
    [(level, said)] = found(make_url(reading_url).set(password="wrong").render_as_string(hide_password=False))
    assert (level, "BALANCE_FLOWER_DATABASE_URL names it" in said) == ("failure", True)


def test_it_can_write_no_table_and_call_nothing_that_does(engine: Engine, reading_url: str) -> None:
    done(engine, "users.upsert", user_id=1)
    writing = ["select prune_jobs(1, 1)", f"select nextval('{SEQUENCE}')", "create table mine (id int)"]
    for table in [*METADATA.tables, "alembic_version"]:
        writing += [f"delete from {table}", f"truncate {table}", f"insert into {table} default values"]
        writing += [f"lock table {table} in row exclusive mode"]
    as_reader = make_engine(reading_url)  # of a session that could: the role alone refuses
    with as_reader.connect() as connection:
        for table in METADATA.tables:
            connection.execute(text(f"select * from {table} limit 1"))
        for statement in writing:
            with pytest.raises(DBAPIError) as refused:
                connection.execute(text(statement))
            assert getattr(refused.value.orig, "sqlstate", None) == "42501", statement
            connection.rollback()
    as_reader.dispose()


def test_no_secret_is_in_what_it_reads() -> None:
    columns = {f"{table.name}.{column.name}" for table in METADATA.tables.values() for column in table.columns}
    named = {each for each in columns if any(word in each for word in ("secret", "password", "token", "api_key"))}
    # Which version of the key a webhook's secret is made from: the key itself is BALANCE_WEBHOOK_KEY.
    assert named == {"webhook_endpoints.secret_version", "webhook_endpoints.secret_key"}


def test_its_sessions_cannot_write_under_any_role(database_url: str) -> None:
    reader = Reader(Settings(database_url=database_url))
    setting = text("select current_setting('default_transaction_read_only'), current_setting('transaction_read_only')")
    try:
        assert asyncio.run(reader.read(lambda connection: connection.execute(setting).one())) == ("on", "on")
        with pytest.raises(DeploymentFault, match="read-only transaction"):
            asyncio.run(reader.read(lambda connection: connection.execute(text("delete from entries"))))
    finally:
        reader.close()


def test_what_takes_too_long_is_given_up_with_a_sentence(reader: Reader) -> None:
    said = told(reader, lambda connection: connection.execute(text("select pg_sleep(60)")))
    assert "longer than BALANCE_FLOWER_STATEMENT_TIMEOUT_MS" in said
    assert asyncio.run(reader.read(lambda connection: connection.scalar(text("select 1")))) == 1


def test_a_role_without_its_rights_is_told_so(engine: Engine, reader: Reader, reading_url: str) -> None:
    execute(engine, f"revoke select on jobs from {make_url(reading_url).username}")
    assert "may not do this" in told(reader, lambda connection: connection.execute(text("select from jobs")))
