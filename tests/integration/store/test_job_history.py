"""An account's jobs: those that wrote an entry and those that wrote none, as one list in the order of time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, Engine, event, text

from models.domain.accounts import AccountKey, Kind
from models.domain.outcome import Code
from models.store.read import accounts as history
from models.store.read.jobs import JobFilter, JobSummary, jobs
from models.store.read.page import Page
from tests.support.builders import job, rows, settle
from tests.support.ledgers import time_before
from tests.support.resealed import reseal

KEY = AccountKey(Kind.USER, "1")


def _settled(engine: Engine, batches: int, size: int) -> list[UUID]:
    """Jobs on user 1, every third refused, the newest first; beside them another user's."""
    settle(engine, job("users.upsert", user_id=1), job("users.upsert", user_id=2))
    ids: list[UUID] = []
    for _ in range(batches):
        batch = [
            job("users.update_balance", user_id=1, amount_kopeks=-100_000 if number % 3 == 2 else 5)
            for number in range(size)
        ]
        other = job("users.update_balance", user_id=2, amount_kopeks=5)
        ids += [UUID(outcome["job_id"]) for outcome in settle(engine, *batch, other)[:size]]
    return ids[::-1]


def _account_id(connection: Connection) -> int:
    account = history.account(connection, KEY)
    assert account is not None
    return account.id


@contextmanager
def _counted(connection: Connection) -> Iterator[list[str]]:
    """The statements that are sent meanwhile."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(connection, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(connection, "before_cursor_execute", note)


def _paged(connection: Connection, wanted: JobFilter, limit: int) -> list[JobSummary]:
    """Page after page, to the last one."""
    page = jobs(connection, wanted, limit)
    found = [*page.rows]
    while page.last is not None:
        page = jobs(connection, wanted, limit, page.last.id)
        found += page.rows
    return found


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_pages_of_an_account_join_to_all_its_jobs_in_order(engine: Engine, limit: int) -> None:
    expected = _settled(engine, batches=4, size=5)
    with engine.connect() as connection:
        found = _paged(connection, JobFilter(account_id=_account_id(connection)), limit)
    assert {each.account for each in found} == {KEY}
    assert [each.id for each in found][:-1] == expected  # the last one is the user's creation


@pytest.mark.parametrize("limit", [3, 100])
def test_pages_of_all_jobs_join_to_all_of_them_newest_first(engine: Engine, limit: int) -> None:
    _settled(engine, batches=2, size=3)
    with engine.connect() as connection:
        found = _paged(connection, JobFilter(), limit)
    assert [each.id for each in found] == [row["id"] for row in rows(engine, "select id from jobs order by id desc")]


@pytest.mark.parametrize("code", [Code.APPLIED, Code.INSUFFICIENT_FUNDS])
def test_filters_apply_to_both_sorts(engine: Engine, code: Code) -> None:
    everything = _settled(engine, batches=2, size=6)
    with engine.connect() as connection:
        found = jobs(connection, JobFilter(account_id=_account_id(connection), code=code), 100).rows
    told = {row["id"]: row["code"] for row in rows(engine, "select id, code from jobs")}
    assert [each.id for each in found][: len(everything)] == [
        *(each for each in everything if told[each] == code),
        *(each.id for each in found if each.id not in everything),
    ]
    assert {each.code for each in found} == {code}


def test_a_time_bounds_both_sorts(engine: Engine) -> None:
    older = _settled(engine, batches=2, size=6)
    with engine.begin() as connection:
        connection.execute(text(f"update jobs set settled_at = {time_before('settled_at', '1 hour')}"))
        reseal(connection)
    newer = [
        UUID(outcome["job_id"])
        for amount in (5, -100_000)
        for outcome in settle(engine, job("users.update_balance", user_id=1, amount_kopeks=amount))
    ]
    with engine.connect() as connection:
        wanted = JobFilter(account_id=_account_id(connection), since=timedelta(minutes=30))
        assert [each.id for each in jobs(connection, wanted, 100).rows] == newer[::-1]
        everything = jobs(connection, JobFilter(account_id=_account_id(connection)), 100).rows
    assert [each.id for each in everything][:-1] == [*newer[::-1], *older]


def test_there_is_nothing_before_a_job_that_is_not_there(engine: Engine) -> None:
    _settled(engine, batches=1, size=3)
    with engine.connect() as connection:
        assert jobs(connection, JobFilter(account_id=_account_id(connection)), 100, uuid4()) == Page((), more=False)


def test_a_page_from_far_back_looks_at_few_entries(engine: Engine) -> None:
    everything = _settled(engine, batches=2, size=200)
    with engine.connect() as connection, _counted(connection) as sent:
        page = jobs(connection, JobFilter(account_id=_account_id(connection)), 3, everything[350])
        assert [each.id for each in page.rows] == everything[351:354]
    assert len(sent) < 30  # twice the logarithm of the number of entries, and a few


def test_a_job_says_its_account_once(engine: Engine) -> None:
    _settled(engine, batches=1, size=6)
    said = rows(
        engine,
        "select (j.account_id is null) <> (e.seq is null) as once from jobs j left join entries e on e.job_id = j.id",
    )
    assert len(said) == 9
    assert all(row["once"] for row in said)
