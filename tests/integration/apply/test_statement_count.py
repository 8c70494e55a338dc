"""The number of SQL statements of a batch depends on the kinds of jobs in it, never on how many they are."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Engine, event

from models.batch.system_jobs import system_job
from models.domain.accounts import AccountKey, Kind
from models.domain.deciding.commands import Job
from models.domain.deciding.top_up_commands import TopUpLook
from tasks.apply.path import apply
from tests.support.builders import LIMITS, expire_job, job, reset, rows, settle

SIZES = (1, 10, 200)
PER_BATCH_MAX = 22  # of a batch with every kind of job
Jobs = list[Job]


def wallets(size: int, **fields: Any) -> Jobs:
    return [job("wallets.create", wallet_id=f"w{n}", **fields) for n in range(size)]


def top_ups(size: int, **fields: Any) -> Jobs:
    common = {"credits_to_add": 10, "transaction_reason": "INVOICE_REFUND"}
    return [job("wallets.top_up", wallet_id=f"w{n}", **common, **fields) for n in range(size)]


def debits(size: int) -> Jobs:
    return [job("wallets.debit", wallet_id=f"w{n}", credits=1) for n in range(size)]


def users(size: int) -> Jobs:
    return [job("users.upsert", user_id=n + 1, telegram_id=1000 + n) for n in range(size)]


def apps(size: int) -> Jobs:
    return [job("apps.upsert", app_id="a", store_id=n) for n in range(size)]


def grants(size: int) -> Jobs:
    return [*wallets(size), *top_ups(size, expiry_date_utc="2999-01-01"), *top_ups(size, priority=1)]


def due(size: int) -> Jobs:
    policy = {"auto_topup_trigger": "balance_below_threshold", "auto_topup_min_balance": 10, "auto_topup_amount": 5}
    return [*wallets(size, **policy), *top_ups(size), *debits(size)]


def agreed(size: int, **terms: Any) -> Jobs:
    level = {"trigger": "balance_below_threshold", "threshold": 10, "amount": 5, "provider": "http"}
    return [job("auto_topup.set_policy", account=f"wallet:w{n}", **level, **terms) for n in range(size)]


def capped(size: int) -> Jobs:
    return [*wallets(size), *agreed(size, monthly_cap=50, timezone="Asia/Tokyo")]


def runs(size: int) -> Jobs:
    return [job("auto_topup.run_now", account=f"wallet:w{n}") for n in range(size)]


def none(size: int) -> Jobs:
    return []


@dataclass(frozen=True)
class Case:
    """`before` prepares the accounts; `jobs` makes the batch that is counted, from the ids of jobs before."""

    before: Callable[[int], Jobs]
    jobs: Callable[[int, list[str]], Jobs]


def fixed(make: Callable[[int], Job]) -> Callable[[int, list[str]], Jobs]:
    return lambda size, _: [make(n) for n in range(size)]


def system(make: Callable[[AccountKey, str], Job]) -> Callable[[int, list[str]], Jobs]:
    return lambda size, ids: [make(AccountKey(Kind.WALLET, f"w{n}"), ids[size + n]) for n in range(size)]


def correction(n: int, **fields: Any) -> Job:
    return job("users.update_balance", amount_kopeks=5, **(fields or {"user_id": n + 1}))


CASES = {
    "wallets.create": Case(none, lambda size, _: wallets(size)),
    "wallets.update": Case(wallets, fixed(lambda n: job("wallets.update", wallet_id=f"w{n}", name="x"))),
    "wallets.top_up": Case(wallets, lambda size, _: top_ups(size)),
    "wallets.top_up of grants": Case(wallets, lambda size, _: top_ups(size, priority=1)),
    "wallets.debit": Case(grants, lambda size, _: debits(size)),
    "wallets.terminate": Case(grants, fixed(lambda n: job("wallets.terminate", wallet_id=f"w{n}"))),
    "users.upsert": Case(none, lambda size, _: users(size)),
    "users.upsert again": Case(users, fixed(lambda n: job("users.upsert", user_id=n + 1, telegram_id=5000 + n))),
    "users.update_balance": Case(users, fixed(correction)),
    "users.update_balance by telegram id": Case(users, fixed(lambda n: correction(n, telegram_id=1000 + n))),
    "users.update_balance of nobody": Case(none, fixed(lambda n: correction(n, telegram_id=1000 + n))),
    "one user": Case(users, fixed(lambda n: correction(0))),
    "apps.upsert": Case(none, lambda size, _: apps(size)),
    "apps.update_balance": Case(
        apps, fixed(lambda n: job("apps.update_balance", app_id="a", store_id=n, balance=n + 1))
    ),
    "entries.reverse": Case(
        lambda size: [*grants(size), *debits(size)],
        lambda size, ids: [job("entries.reverse", job_id=ids[3 * size + n]) for n in range(size)],
    ),
    "credits.expire_grant": Case(grants, system(expire_job)),
    "autotopup.top_up": Case(
        due, system(lambda key, _: system_job("autotopup.top_up", str(key), {}, TopUpLook(key, 1)))
    ),
    "autotopup.top_up that charges": Case(
        capped, system(lambda key, _: system_job("autotopup.top_up", str(key), {}, TopUpLook(key, 1)))
    ),
    "auto_topup.set_policy": Case(wallets, lambda size, _: agreed(size)),
    "auto_topup.set_policy and run_now": Case(
        capped, lambda size, _: [*agreed(size, monthly_cap=60, timezone="Europe/Riga"), *runs(size)]
    ),
    "charges.settle": Case(
        lambda size: [*capped(size), *runs(size)],
        lambda size, ids: [job("charges.settle", charge_id=ids[2 * size + n], status="succeeded") for n in range(size)],
    ),
    "auto_topup.cancel": Case(
        lambda size: [*capped(size), *runs(size)],
        fixed(lambda n: job("auto_topup.cancel", account=f"wallet:w{n}")),
    ),
    "invalid": Case(none, fixed(lambda n: job("wallets.debit", wallet_id=n))),
    "everything": Case(
        lambda size: [*grants(size), *users(size), *apps(size), *debits(size)],
        lambda size, ids: [
            *(job("wallets.create", wallet_id=f"new{n}") for n in range(size)),
            *(job("wallets.update", wallet_id=f"w{n}", name="x") for n in range(size)),
            *top_ups(size, priority=1),
            *debits(size),
            *(job("entries.reverse", job_id=ids[5 * size + n]) for n in range(size)),
            *(job("users.upsert", user_id=n + 1, telegram_id=5000 + n) for n in range(size)),
            *(correction(n, telegram_id=5000 + n) for n in range(size)),
            *(job("apps.update_balance", app_id="a", store_id=n, balance=n + 1) for n in range(size)),
            *(job("wallets.terminate", wallet_id=f"w{n}") for n in range(size)),
            *(job("wallets.debit", wallet_id=n) for n in range(size)),
        ],
    ),
}


@contextmanager
def counted(engine: Engine) -> Iterator[list[str]]:
    made: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        made.append(" ".join(statement.split())[:60])

    event.listen(engine, "before_cursor_execute", count)
    try:
        yield made
    finally:
        event.remove(engine, "before_cursor_execute", count)


@pytest.mark.parametrize("name", CASES)
def test_statements_do_not_grow_with_jobs(engine: Engine, name: str) -> None:
    made: dict[int, list[str]] = {}
    for size in SIZES:
        reset(engine)
        case = CASES[name]
        ids = [document["job_id"] for document in settle(engine, *case.before(size))]
        jobs = case.jobs(size, ids)
        with counted(engine) as made[size]:
            apply(engine, jobs, LIMITS)
        assert len(rows(engine, "select * from jobs")) == len(ids) + len(jobs)
    assert made[1] == made[10] == made[200]
    assert len(made[1]) <= PER_BATCH_MAX, made[1]


def test_a_replayed_batch_writes_nothing(engine: Engine) -> None:
    jobs = [*users(10), *map(correction, range(10))]
    settle(engine, *jobs)
    with counted(engine) as made:
        settle(engine, *jobs)
    assert [statement for statement in made if not statement.startswith(("select", "SELECT"))] == []
