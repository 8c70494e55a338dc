"""Workers that want the same account, key, id or name at the same moment: one wins, the others are answered rightly."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tasks.apply.path import decide_jobs
from tests.integration.store.racing import engine_of_its_own, race, wait_until_blocked
from tests.support.builders import LIMITS, balance, done, entries, job, rows, settle

THREADS = 8


def correct(**fields: Any) -> Any:
    return job("users.update_balance", **{"user_id": 1, "amount_kopeks": 1, **fields})


@pytest.fixture
def users(engine: Engine) -> None:
    for number in (1, 2):
        done(engine, "users.upsert", user_id=number)


@pytest.mark.usefixtures("users")
def test_one_account_from_eight_threads(engine: Engine, database_url: str) -> None:
    batches = [
        [[correct(amount_kopeks=thread) for _ in range(3)] for _ in range(5)] for thread in range(1, THREADS + 1)
    ]
    result = race(database_url, batches)
    found = entries(engine, "user:1")
    assert result.codes == ["applied"] * THREADS * 15
    assert result.faults == [], "the row lock is enough"
    assert [entry["seq"] for entry in found] == list(range(1, THREADS * 15 + 1))
    assert balance(engine, "user:1") == sum(entry["amount"] for entry in found) == 15 * sum(range(1, THREADS + 1))


@pytest.mark.usefixtures("users")
def test_the_last_funds_are_spent_once(engine: Engine, database_url: str) -> None:
    settle(engine, correct(amount_kopeks=3))
    result = race(database_url, [[[correct(amount_kopeks=-1)]] for _ in range(THREADS)])
    assert result.codes == ["applied"] * 3 + ["insufficient_funds"] * 5
    assert balance(engine, "user:1") == 0


@pytest.mark.usefixtures("users")
def test_one_key_published_by_eight_threads_makes_one_entry_and_seven_replays(
    engine: Engine, database_url: str
) -> None:
    result = race(database_url, [[[correct(idempotency_key="k")]] for _ in range(THREADS)])
    assert (len(entries(engine, "user:1")), result.replays) == (1, THREADS - 1)
    answers = [answer for [answer] in result.answers]
    assert all({**answer, "replayed": False} == {**answers[0], "replayed": False} for answer in answers)


@pytest.mark.usefixtures("users")
def test_one_key_raced_on_two_accounts_moves_one_of_them(engine: Engine, database_url: str) -> None:
    # No lock is common to them: it is the unique key that decides.
    batches = [[[correct(user_id=1 + thread % 2, idempotency_key="k")]] for thread in range(THREADS)]
    result = race(database_url, batches)
    assert result.codes == ["applied"] * 4 + ["idempotency_conflict"] * 4
    assert result.replays == 3
    assert balance(engine, "user:1") + balance(engine, "user:2") == 1


def test_one_key_raced_on_an_unknown_account_is_refused_once(engine: Engine, database_url: str) -> None:
    result = race(database_url, [[[correct(user_id=404, idempotency_key="k")]] for _ in range(THREADS)])
    assert result.codes == ["user_not_found"] * THREADS
    assert (result.replays, len(rows(engine, "select * from jobs"))) == (THREADS - 1, 1)
    assert len(rows(engine, "select * from outbox")) == 1


@pytest.mark.usefixtures("users")
def test_keys_shared_between_batches_in_opposite_orders(engine: Engine, database_url: str) -> None:
    keys = [f"shared-{number}" for number in range(20)]
    batches = [
        [[correct(user_id=1 + thread % 2, idempotency_key=key) for key in (keys if thread % 2 else reversed(keys))]]
        for thread in range(4)
    ]
    result = race(database_url, batches)
    assert result.codes.count("applied") - result.replays == len(keys)
    assert balance(engine, "user:1") + balance(engine, "user:2") == len(keys)


def test_one_wallet_created_by_eight_threads(engine: Engine, database_url: str) -> None:
    result = race(
        database_url, [[[job("wallets.create", wallet_id="w", name=str(thread))]] for thread in range(THREADS)]
    )
    assert result.codes == ["applied"] + ["wallet_exists"] * (THREADS - 1)
    [won] = [answer for [answer] in result.answers if answer["status"] == "applied"]
    assert rows(engine, "select name from wallets") == [{"name": won["response"]["name"]}]


def test_one_wallet_created_by_eight_threads_under_one_key(engine: Engine, database_url: str) -> None:
    asked = job("wallets.create", wallet_id="w")
    result = race(database_url, [[[asked]] for _ in range(THREADS)])
    assert (result.codes, result.replays) == (["applied"] * THREADS, THREADS - 1)


def test_many_accounts_created_in_opposite_orders(engine: Engine, database_url: str) -> None:
    names = [f"w{number}" for number in range(20)]
    batches = [
        [[job("wallets.create", wallet_id=name) for name in (names if thread % 2 else reversed(names))]]
        for thread in range(4)
    ]
    result = race(database_url, batches)
    assert result.codes == ["applied"] * 20 + ["wallet_exists"] * 60
    assert result.deadlocks == []


def test_one_telegram_id_wanted_by_eight_users(engine: Engine, database_url: str) -> None:
    result = race(database_url, [[[job("users.upsert", user_id=1 + n, telegram_id=77)]] for n in range(THREADS)])
    assert result.codes == ["applied"] + ["telegram_id_taken"] * (THREADS - 1)
    assert len(rows(engine, "select * from users")) == 1


@pytest.mark.usefixtures("users")
def test_accounts_wanted_in_opposite_orders_do_not_deadlock(engine: Engine, database_url: str) -> None:
    there, back = (1, 2), (2, 1)
    batches = [
        [[correct(user_id=user) for user in (there if thread % 2 else back)] for _ in range(20)] for thread in range(4)
    ]
    result = race(database_url, batches)
    assert (result.codes, result.faults) == (["applied"] * 160, [])
    assert [balance(engine, f"user:{number}") for number in (1, 2)] == [80, 80]


@pytest.mark.parametrize("swap", [False, True])
def test_a_telegram_id_handed_from_user_to_user_in_one_batch(engine: Engine, swap: bool) -> None:
    for number in (1, 2):
        done(engine, "users.upsert", user_id=number, telegram_id=70 + number)
    [first, second] = (2, 1) if swap else (1, 2)
    batch = [
        job("users.upsert", user_id=first, telegram_id=None),
        job("users.upsert", user_id=second, telegram_id=70 + first),
        job("users.update_balance", telegram_id=70 + first, amount_kopeks=5),
        job("users.upsert", user_id=first, telegram_id=70 + second),
    ]
    assert [document["code"] for document in settle(engine, *batch)] == ["applied"] * 4
    assert balance(engine, f"user:{second}") == 5


@pytest.mark.tampered_ledger
@pytest.mark.usefixtures("users")
def test_a_telegram_id_that_moves_while_a_job_waits_for_its_user_is_found_again(
    engine: Engine, database_url: str
) -> None:
    settle(engine, job("users.upsert", user_id=1, telegram_id=77))
    with ThreadPoolExecutor(1) as pool, engine_of_its_own(database_url) as other, other.connect() as holder:
        holder.execute(text("select id from accounts where ref = '1' for update"))
        holder.execute(text("update users set telegram_id = null where user_id = 1"))
        holder.execute(text("update users set telegram_id = 77 where user_id = 2"))
        asked = [job("users.update_balance", telegram_id=77, amount_kopeks=5)]
        waiting = pool.submit(race, database_url, [[asked]])
        wait_until_blocked(engine)
        holder.commit()
        result = waiting.result(30)
    assert (result.codes, len(result.faults)) == (["applied"], 1)
    assert [balance(engine, f"user:{number}") for number in (1, 2)] == [0, 5]


@pytest.mark.usefixtures("users")
@pytest.mark.parametrize("commit", [True, False])
def test_a_job_decides_on_what_the_worker_before_it_left(engine: Engine, database_url: str, commit: bool) -> None:
    withdrawal = correct(amount_kopeks=-5)
    with ThreadPoolExecutor(1) as pool, engine_of_its_own(database_url) as other, other.connect() as before:
        decide_jobs(before, [correct(amount_kopeks=5)], LIMITS).write(before)
        waiting = pool.submit(race, database_url, [[[withdrawal]]])
        wait_until_blocked(engine)
        before.commit() if commit else before.rollback()
        result = waiting.result(30)
    assert result.codes == ["applied" if commit else "insufficient_funds"]
    assert balance(engine, "user:1") == 0
