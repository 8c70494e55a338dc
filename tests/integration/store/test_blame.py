"""Whose fault a fault is: by its code, and where that does not say it, by whether the neighbours pass."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import Engine, text
from structlog.testing import capture_logs

from models.batch.outcome import StoredOutcome
from models.domain.deciding.commands import Job
from models.domain.errors import DeploymentFault, DoubtfulFault, Fault, KeyRace, TransientFault
from models.domain.retry import RetryPolicy
from models.store.connection.session import snapshot, transaction
from tasks.apply.faults import FaultLog
from tasks.apply.retries import Failed, RetryingApplier, Undecided
from tasks.reminder import Reminder
from tests.integration.store.racing import engine_of_its_own
from tests.support.builders import LIMITS, balance, done, execute, job, rows

# SQLSTATE: what it is, and whether the connection is dropped.
CODES: dict[str, tuple[type[Fault] | None, bool]] = {
    "40001": (TransientFault, False),
    "40P01": (TransientFault, False),
    "40003": (TransientFault, True),
    "53300": (TransientFault, False),
    "53100": (TransientFault, False),
    "55P03": (TransientFault, False),
    "57014": (TransientFault, False),
    "57P01": (TransientFault, True),
    "57P03": (TransientFault, True),
    "58030": (TransientFault, False),
    "08006": (TransientFault, True),
    "23505": (KeyRace, False),
    "25006": (DeploymentFault, True),
    "25P02": (DeploymentFault, True),
    "26000": (DeploymentFault, True),
    "42P05": (DeploymentFault, True),
    "0A000": (DeploymentFault, True),
    "42P01": (DeploymentFault, True),
    "42703": (DeploymentFault, True),
    "42501": (DeploymentFault, False),
    "3F000": (DeploymentFault, True),
    "28000": (DeploymentFault, False),
    "54000": (DoubtfulFault, False),
    "55000": (DoubtfulFault, False),
    "XX000": (DoubtfulFault, False),
    "XX001": (DoubtfulFault, False),
    "XX002": (DoubtfulFault, False),
    "F0000": (DoubtfulFault, False),
    "HV000": (DoubtfulFault, False),
    "P0001": (DoubtfulFault, False),
    "22003": (None, False),
    "23502": (None, False),
    "23514": (None, False),
}


@pytest.mark.parametrize("state", CODES)
def test_by_code(engine: Engine, database_url: str, state: str) -> None:
    expected, dropped = CODES[state]
    with engine_of_its_own(database_url) as worker:
        with snapshot(worker) as connection:
            pid = connection.execute(text("select pg_backend_pid()")).scalar_one()
        with pytest.raises(Exception) as caught, transaction(worker) as connection:  # noqa: PT011 - looked at below
            connection.execute(text(f"do $$ begin raise exception 'boom' using errcode = '{state}'; end $$"))
        assert (type(caught.value) if isinstance(caught.value, Fault) else None) is expected
        with snapshot(worker) as connection:
            again = connection.execute(text("select pg_backend_pid()")).scalar_one()
    assert (again != pid) is dropped


@pytest.fixture
def users(engine: Engine) -> Callable[[], Job]:
    """Makes jobs, each about a user of its own."""
    numbers = iter(range(1, 100))

    def correction() -> Job:
        number = next(numbers)
        done(engine, "users.upsert", user_id=number)
        return job("users.update_balance", user_id=number, amount_kopeks=number)

    return correction


def settled(engine: Engine, jobs: Sequence[Job]) -> list[Any]:
    """What one pass makes of the jobs; pauses are not waited out."""
    applier = RetryingApplier(engine, LIMITS, RetryPolicy(), lambda _: None, lambda: 0.5)
    steps = applier.applying(jobs)
    while True:
        try:
            next(steps)
        except StopIteration as over:
            return [type(each) for each in over.value]


def raising(engine: Engine, state: str, when: str = "true") -> None:
    execute(
        engine,
        "create function boom() returns trigger language plpgsql as"
        f" $$ begin if {when} then raise exception 'boom' using errcode = '{state}'; end if; return new; end $$",
    )
    execute(engine, "create trigger boom before insert on entries for each row execute function boom()")


@pytest.mark.parametrize("state", [state for state, (kind, _) in CODES.items() if kind is DoubtfulFault])
def test_doubtful_alone_waits_for_neighbours_that_show_whose_fault_it_is(
    engine: Engine, users: Callable[[], Job], state: str
) -> None:
    bad = users()
    raising(engine, state, "new.amount = 1")
    assert settled(engine, [bad]) == [Undecided]
    assert settled(engine, [bad, users()]) == [Failed, StoredOutcome], "it is the job's"
    assert rows(engine, "select amount from entries") == [{"amount": 2}]


@pytest.mark.parametrize("state", ["P0001", "XX000", "23514", "22003"])
def test_what_all_fail_by_alike_is_the_deployments(engine: Engine, users: Callable[[], Job], state: str) -> None:
    jobs = [users() for _ in range(3)]
    raising(engine, state)
    assert settled(engine, jobs) == [Undecided] * 3
    execute(engine, "drop trigger boom on entries")
    assert settled(engine, jobs) == [StoredOutcome] * 3
    assert [balance(engine, f"user:{number}") for number in (1, 2, 3)] == [1, 2, 3]


def test_a_rule_of_the_data_broken_by_one_job_alone_is_its_own(engine: Engine, users: Callable[[], Job]) -> None:
    bad = users()
    raising(engine, "23514")
    assert settled(engine, [bad]) == [Failed]


def test_what_two_fail_by_differently_is_each_ones_own(engine: Engine, users: Callable[[], Job]) -> None:
    jobs = [users(), users()]
    execute(engine, "alter table entries add constraint no_ones check (amount <> 1)")
    raising(engine, "P0001", "new.amount = 2")
    assert settled(engine, jobs) == [Failed, Failed]


def test_a_table_that_is_missing_holds_everything_and_parks_nothing(
    engine: Engine, users: Callable[[], Job], caplog: pytest.LogCaptureFixture
) -> None:
    asked = users()
    execute(engine, "alter table outbox rename to elsewhere")
    applier = RetryingApplier(engine, LIMITS, RetryPolicy(), lambda _: None, lambda: 0.5)
    steps = applier.applying([asked])
    assert [next(steps) > 0 for _ in range(20)] == [True] * 20
    execute(engine, "alter table elsewhere rename to outbox")
    with pytest.raises(StopIteration) as over:
        next(steps)
    assert [type(each) for each in over.value.value] == [StoredOutcome]


def test_what_is_waited_out_is_said_when_it_begins_and_once_a_minute(engine: Engine) -> None:
    at = [0.0]
    applier = RetryingApplier(
        engine, LIMITS, RetryPolicy(), lambda _: None, lambda: 0.5, FaultLog(Reminder(clock=lambda: at[0]))
    )

    def away() -> None:
        raise TransientFault("away")

    with capture_logs() as said:
        for begins, lasts_s in ((0, 70), (80, 5)):
            steps = applier.persisting(away)
            for at[0] in range(begins, begins + lasts_s, 5):
                next(steps)
    assert [(line["event"], line["attempt"]) for line in said] == [
        ("jobs.waiting", 1), ("jobs.waiting", 13), ("jobs.waiting", 1),
    ]  # fmt: skip


def test_what_lasts_is_said_once_a_minute() -> None:
    at = [0.0]
    reminder = Reminder(clock=lambda: at[0])
    said = []
    for at[0] in (0, 5, 59, 60, 61, 119, 121):
        said.append(reminder.due("jobs.held", "no such table"))
    assert said == [True, False, False, True, False, False, True]
    assert reminder.due("jobs.held", "another error")
