"""Beats with wrong clocks, broken files and no I/O worker: whatever becomes due is done within seconds of the mend."""

from __future__ import annotations

import shelve
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from socket import gethostname
from typing import Any, Final

import celery
from celery import Celery
from celery.beat import ScheduleEntry
from celery.schedules import schedule
from kombu import Connection, Exchange, Queue

from balance_client.routing import queue_arguments
from tests.acceptance.system import System, wait_until
from tests.acceptance.test_doctor import doctor
from tests.support.builders import balance, done
from tests.support.servers.proxy import Proxy

CREDITS: Final = 10**9  # units of a wallet
POLICY: Final = {
    "auto_topup_trigger": "balance_below_threshold",
    "auto_topup_min_balance": 10,
    "auto_topup_amount": 100,
}
DAY_S: Final = 86_400
BACKLOG: Final = 1_200
TICKS: Final = ("autotopup.scan", "charges.ask", "credits.expire", "jobs.prune")
_WALLETS: Final = count()


def _becomes_due(system: System, tick: Callable[[], None] = lambda: None) -> None:
    """A wallet falls below its minimum, and is topped up soon."""
    name = f"w{next(_WALLETS)}"
    done(system.engine, "wallets.create", wallet_id=name, **POLICY)
    done(system.engine, "wallets.top_up", wallet_id=name, credits_to_add=20, transaction_reason="INVOICE_PAYMENT")
    done(system.engine, "wallets.debit", wallet_id=name, credits=15)
    tick()
    wait_until("the top-up", lambda: balance(system.engine, f"wallet:{name}") == 105 * CREDITS)


def _queue(system: System) -> Queue:
    """Of ticks."""
    name = f"{system.queue}.io"
    return Queue(name, Exchange(""), routing_key=name, queue_arguments=queue_arguments(system.broker_url))


def _send_ticks(system: System, many: int, **options: Any) -> None:
    """Like a beat of ours, or of an earlier version, with what these options say."""
    queue: Any = _queue(system)
    with Celery(broker=system.broker_url, set_as_current=False) as app, app.producer_pool.acquire() as producer:
        for _ in range(many):
            app.send_task(TICKS[0], queue=queue, producer=producer, ignore_result=True, **options)


def _waiting(system: System) -> int:
    """Ticks that nobody has taken yet."""
    with Connection(system.broker_url) as connection:
        declared: Any = _queue(system)(connection.default_channel).queue_declare()
        return int(declared.message_count)


def _transactions(system: System) -> int:
    """How many this database has seen; it is told late, by a second or so."""
    return int(
        system.rows("select xact_commit + xact_rollback from pg_stat_database where datname = current_database()")[0][0]
    )


def test_what_is_due_is_done_whatever_time_beat_thinks_it_is_and_whatever_waits(either_system: System) -> None:
    """Beat finds a file of Celery's own scheduler, by a clock that was ahead; then a file of the one before it."""
    with shelve.open(str(either_system.logs / "schedule")) as stored:
        ahead = datetime.now(UTC) + timedelta(days=30)
        stored["entries"] = {name: ScheduleEntry(name, name, ahead, schedule=schedule(0.5)) for name in TICKS}
        stored.update(__version__=celery.__version__, tz="UTC", utc_enabled=True)
    worker = either_system.io_worker()
    # A beat of an earlier version said `expires`, by its own clock. Nobody else ticks yet.
    before, old = _transactions(either_system), (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    _becomes_due(either_system, lambda: _send_ticks(either_system, 1, headers={"expires": old}))

    worker.send_signal(signal.SIGSTOP)
    _send_ticks(either_system, BACKLOG)
    behind = -6 if either_system.broker_url.startswith("redis") else -3600
    wrong = either_system.beat("wrong", clock_s=f"{behind}/{30 * DAY_S}")
    wait_until("beat to say so", lambda: "ticks.held_back" in either_system.log("wrong"))
    assert BACKLOG - 10 < _waiting(either_system) <= BACKLOG, "but for what the broker had handed over"
    worker.send_signal(signal.SIGCONT)
    wait_until("beat to go on", lambda: "Sending due task" in either_system.log("wrong"))
    _becomes_due(either_system)
    assert either_system.log("wrong").count("ticks.held_back") == 1, "once a minute"
    wait_until("what they cost to be told", lambda: _transactions(either_system) > before)
    assert _transactions(either_system) - before < BACKLOG / 4, "they are not run one by one"
    if behind == -6:
        name = f"beat.clock.{gethostname()}"
        wait_until("its own ticks to be run", lambda: _waiting(either_system) == 0)
        findings = wait_until(
            "the doctor to hear of it", lambda: (found := doctor(either_system)[1]).get(name) and found
        )
        assert (findings["beat.alive"]["level"], findings[name]["level"]) == ("ok", "warning")

    wrong.send_signal(signal.SIGUSR1)
    wait_until("it to notice", lambda: "clock.jumped" in either_system.log("wrong"))
    _becomes_due(either_system)
    assert either_system.end("wrong", wrong) == 0
    with Proxy(either_system.broker_url) as link:
        right = either_system.beat("right", BALANCE_BROKER_URL=link.url)
        wait_until("it to look back", lambda: "schedule.from_the_future" in either_system.log("right"))
        _becomes_due(either_system)
        link.refuse()
        wait_until("it to have noticed", lambda: "ticks.not_sent" in either_system.log("right"))
        link.heal()
        _becomes_due(either_system)
        assert either_system.end("right", right) == 0
