"""Scheduled work is killed at every step: the next tick finds the same, and does it once. docs/crash-matrix.md

A tick is acknowledged before it runs, so that the broker plays no part in what follows; these run on Redis alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from celery.beat import Scheduler
from sqlalchemy import Connection, Engine

from models.domain.jobs.decide import decide
from models.store.write import accounts, grants, jobs
from models.store.write import entries as written
from models.store.write.top_ups import policies
from tests.acceptance.killpoints import OF_EVENTS, KillPoint, assert_killed
from tests.acceptance.scheduled import Scheduled
from tests.acceptance.system import wait_until
from tests.support.aged import settle_in_own_rows
from tests.support.builders import balance, done, entries, let_expire, rows

CREDIT: Final = {"wallet_id": "w", "transaction_reason": "INVOICE_PAYMENT"}
CREDITS: Final = 10**9  # units of a wallet
POLICY: Final = {
    "auto_topup_trigger": "balance_below_threshold",
    "auto_topup_min_balance": 10,
    "auto_topup_amount": 100,
}


def _due(engine: Engine) -> None:
    """A wallet that has just fallen below its minimum."""
    done(engine, "wallets.create", wallet_id="w", **POLICY)
    done(engine, "wallets.top_up", credits_to_add=20, **CREDIT)
    done(engine, "wallets.debit", wallet_id="w", credits=15)
    assert rows(engine, "select 1 from policies where due_at is not null")


def _expired(engine: Engine) -> None:
    """A wallet with 5 credits and 3 that have expired."""
    done(engine, "wallets.create", wallet_id="w")
    done(engine, "wallets.top_up", credits_to_add=5, **CREDIT)
    done(engine, "wallets.top_up", credits_to_add=3, expiry_date_utc="2100-01-01T00:00:00Z", **CREDIT)
    let_expire(engine, str(rows(engine, "select id from grants")[0]["id"]))


def _old(engine: Engine) -> None:
    """Three old jobs."""
    _expired(engine)
    settle_in_own_rows(engine, "1 year")


def _topped_up(engine: Engine) -> int:
    assert balance(engine, "wallet:w") in (5 * CREDITS, 105 * CREDITS)
    return len(entries(engine, "wallet:w")) - 2


def _written_off(engine: Engine) -> int:
    assert balance(engine, "wallet:w") in (8 * CREDITS, 5 * CREDITS)
    return len(entries(engine, "wallet:w")) - 2


def _pruned(engine: Engine) -> int:
    count = len(rows(engine, "select 1 from jobs where body is null"))
    assert count in (0, 3)
    assert len(rows(engine, "select 1 from jobs where outcome->>'response' is not null")) == 3, "answers stay"
    return count // 3


WORK: Final[dict[str, tuple[Callable[[Engine], None], Callable[[Engine], int]]]] = {
    "autotopup.scan": (_due, _topped_up),
    "credits.expire": (_expired, _written_off),
    "jobs.prune": (_old, _pruned),
}
_COMMIT: Final = Connection.commit
STEPS: Final[list[tuple[str, str, Any, Any, int]]] = [  # tick, step, function, when, how often it is done by then
    ("autotopup.scan", "found", policies.due, "after", 0),
    ("autotopup.scan", "locked", (accounts.lock_uncontended, accounts.lock), "after", 0),
    ("autotopup.scan", "decided", decide, "after", 0),
    ("autotopup.scan", "entry written", written.insert, "after", 0),
    ("autotopup.scan", "before the commit", _COMMIT, "before", 0),
    ("autotopup.scan", "after the commit", _COMMIT, "after", 1),
    ("credits.expire", "found", grants.expired, "after", 0),
    ("credits.expire", "decided", decide, "after", 0),
    ("credits.expire", "grant written", grants.save, "after", 0),
    ("credits.expire", "before the commit", _COMMIT, "before", 0),
    ("credits.expire", "after the commit", _COMMIT, "after", 1),
    ("jobs.prune", "pruned", jobs.prune, "after", 0),
    ("jobs.prune", "after the commit", _COMMIT, "after", 1),
]


@pytest.mark.parametrize(("tick", "step", "function", "when", "by_then"), STEPS, ids=[f"{s[0]}, {s[1]}" for s in STEPS])
def test_a_sweep_killed_at_a_step_is_done_once(
    scheduled: Scheduled, engine: Engine, tick: str, step: str, function: Any, when: Any, by_then: int
) -> None:
    prepare, count = WORK[tick]
    prepare(engine)
    point = KillPoint(function, when, but_in=OF_EVENTS)
    scheduled.tick(tick)
    with scheduled.io_worker("victim", point) as victim:
        assert_killed(victim, point, scheduled.log("victim"))
    assert count(engine) == by_then, step
    with scheduled.io_worker("rescuer"):
        for _ in range(2):
            scheduled.tick(tick)
        wait_until("two more ticks", lambda: scheduled.ticks("rescuer") == 2)
    assert count(engine) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_beat_killed_around_sending_a_tick_starts_again_and_one_top_up_is_made(
    scheduled: Scheduled, engine: Engine, when: Any
) -> None:
    _due(engine)
    point = KillPoint(Scheduler.apply_async, when)
    with scheduled.io_worker("io"):
        with scheduled.beat("victim", point) as victim:
            assert_killed(victim, point, scheduled.log("victim"))
        if when == "before":
            assert _topped_up(engine) == 0
        with scheduled.beat("next"), scheduled.beat("second"):
            wait_until("the top-up", lambda: _topped_up(engine) == 1)
            before = scheduled.ticks("io")
            wait_until("more ticks of both", lambda: scheduled.ticks("io") >= before + 6)
    assert _topped_up(engine) == 1
