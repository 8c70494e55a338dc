"""A batch does not wait for the few accounts that another transaction holds: their jobs come after the others."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest
from sqlalchemy import Engine, text

from models.batch.outcome import StoredOutcome
from models.domain.deciding.commands import Job
from models.domain.errors import TransientFault
from models.domain.retry import RetryPolicy
from models.store.connection.session import make_engine
from tasks.apply.path import apply_uncontended
from tasks.apply.retries import RetryingApplier
from tests.acceptance.system import wait_until
from tests.support.builders import LIMITS, balance, done, entries, job

LOCK_TIMEOUT_MS = 300


@pytest.fixture
def engine(emptied: Engine) -> Iterator[Engine]:
    """With a lock timeout that a batch which waits runs into."""
    url = emptied.url.render_as_string(hide_password=False)
    impatient = make_engine(url, lock_timeout_ms=LOCK_TIMEOUT_MS, pool_size=3)  # who holds, who applies, who looks
    for user_id in (1, 2):
        done(emptied, "users.upsert", user_id=user_id, telegram_id=100 + user_id)
    yield impatient
    impatient.dispose()


def add(user_id: int, amount: int) -> Job:
    return job("users.update_balance", user_id=user_id, amount_kopeks=amount)


@contextmanager
def held(engine: Engine, ref: str) -> Iterator[None]:
    with engine.connect() as connection:
        connection.execute(text("select from accounts where ref = :ref for update"), {"ref": ref})
        yield
        connection.rollback()


def applier(engine: Engine) -> RetryingApplier:
    policy = RetryPolicy(base_s=0.01, cap_s=0.1, limit=3)
    return RetryingApplier(engine, LIMITS, policy, wait=lambda seconds: None, random=lambda: 0.5)


def test_jobs_of_a_held_account_are_left_out_and_the_others_applied(engine: Engine) -> None:
    with held(engine, "1"):
        outcomes = apply_uncontended(engine, [add(1, 5), add(2, 7), add(1, -3), add(404, 1)], LIMITS)
    codes = [outcome.code.value if outcome else None for outcome in outcomes]
    assert codes == [None, "applied", None, "user_not_found"]
    assert (balance(engine, "user:1"), balance(engine, "user:2")) == (0, 7)


def test_what_was_left_out_comes_next_in_its_own_order(engine: Engine) -> None:
    answers: list[StoredOutcome] = []
    # Taking 5 is refused when it comes before the 5 are there.
    jobs = [add(1, 5), add(2, 7), add(1, -5)]

    def run() -> None:
        answers.extend(outcome for outcome in applier(engine).apply(jobs) if isinstance(outcome, StoredOutcome))

    thread = Thread(target=run)
    with held(engine, "1"):
        thread.start()
        wait_until("the job of the free account", lambda: balance(engine, "user:2"))
        assert balance(engine, "user:1") == 0
    thread.join(30)
    assert [(outcome.code.value, outcome.replayed) for outcome in answers] == [("applied", False)] * 3
    assert [entry["amount"] for entry in entries(engine, "user:1")] == [5, -5]


def test_a_batch_waits_when_all_its_accounts_are_held(engine: Engine) -> None:
    with held(engine, "1"), pytest.raises(TransientFault, match="lock timeout"):
        apply_uncontended(engine, [add(1, 5), add(1, 6)], LIMITS)
    assert balance(engine, "user:1") == 0


def test_a_batch_waits_when_a_name_is_known_only_under_the_lock(engine: Engine) -> None:
    by_telegram = job("users.update_balance", telegram_id=101, amount_kopeks=1)
    with held(engine, "1"), pytest.raises(TransientFault, match="lock timeout"):
        apply_uncontended(engine, [by_telegram, add(2, 5)], LIMITS)
    assert balance(engine, "user:2") == 0
