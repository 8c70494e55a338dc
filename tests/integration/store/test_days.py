"""What `doctor` says of the days that bodies of jobs have."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, text

from models.store.schema.migrations import upgrade
from worker.doctor.database import examine_database
from worker.doctor.finding import Finding, Level
from worker.settings.settings import Settings

# Of ids from long ago, which have no day; a page of the table holds seven.
FILL = """
    insert into job_bodies (job_id, body)
    select cast(lpad(to_hex(n), 32, '0') as uuid), to_json(repeat('x', 1000)) from generate_series(1, :count) as n
"""
DROP = """
    do $$ declare day text; begin
        for day in {days} loop execute 'drop table ' || quote_ident(day); end loop;
    end $$
"""
LATER = """
    select c.relname from pg_class c where c.relname ~ '^job_bodies_[0-9]{8}$'
      and c.relname > 'job_bodies_' || to_char(clock_timestamp() at time zone 'utc' + interval '1 day', 'YYYYMMDD')
"""


@pytest.fixture
def migrated(empty_database_url: str) -> Iterator[Engine]:
    upgrade(empty_database_url)
    engine = create_engine(empty_database_url)
    yield engine
    engine.dispose()


def said(engine: Engine) -> Finding:
    url = engine.url.render_as_string(hide_password=False)
    return next(each for each in examine_database(Settings(database_url=url)) if each.check == "database.days")


def test_a_ledger_whose_days_are_made_beforehand_is_sound(migrated: Engine) -> None:
    assert said(migrated).level is Level.OK


@pytest.mark.parametrize("kept", ["all but what comes after tomorrow", "none"])
def test_days_that_run_out_are_named_with_what_makes_them(migrated: Engine, kept: str) -> None:
    days = LATER if kept != "none" else "select relname from pg_class where relname ~ '^job_bodies_[0-9]{8}$'"
    with migrated.begin() as connection:
        connection.exec_driver_sql(DROP.format(days=days))
    found = said(migrated)
    assert (found.level, "jobs.prune" in found.action) == (Level.WARNING, True)


def test_so_much_without_a_day_that_none_is_made_leads_to_the_runbook(migrated: Engine) -> None:
    with migrated.begin() as connection:
        connection.execute(text(FILL), {"count": 10})
    assert said(migrated).level is Level.OK
    with migrated.begin() as connection:
        connection.execute(text("delete from job_bodies"))
        connection.execute(text(FILL), {"count": 20_000})
    found = said(migrated)
    assert (found.level, "docs/runbook.md" in found.action) == (Level.WARNING, True)
