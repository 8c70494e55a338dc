"""`balance-worker top` beside a running system: what it shows is what is there, and what nobody knows it says so."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from balance_client import BalanceClient
from balance_client.routing import partition_queues
from tests.acceptance.system import System, wait_until
from tests.support.command import SCRIPT, Finished, run

NOWHERE = "127.0.0.1:1"
NAMES = {"ledger", "broker", "workers"}


def top(system: System, *arguments: str, **settings: str) -> Finished:
    given = {f"BALANCE_{name.upper()}": value for name, value in settings.items()}
    return run("top", "--once", *arguments, environment={**system.environment, **given})


def document(system: System, **settings: str) -> Any:
    done = top(system, "--json", **settings)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def queue(told: Any, name: str) -> Any:
    return next(each for each in told["broker"]["queues"] if each["queue"] == name)


@pytest.fixture(params=["redis", "rabbitmq"])
def busy(
    request: pytest.FixtureRequest, database_url: str, engine: Engine, tmp_path: Path, unique_queue: str
) -> Iterator[System]:
    """A worker with two partitions that has settled three jobs, refused one and parked a message."""
    broker_url = request.getfixturevalue(f"{request.param}_url")
    system = System(broker_url, database_url, engine, unique_queue, tmp_path)
    system.environment |= {"BALANCE_PARTITIONS": "2", "BALANCE_PARTITION_LEASE_S": "1.5"}
    system.money_worker(queues=[system.queue, *partition_queues(system.queue, 2)])
    system.ask("users.upsert", idempotency_key="u1", user_id=1)
    for key in ("b1", "b2"):
        system.ask("users.update_balance", idempotency_key=key, user_id=1, amount_kopeks=100)
    system.ask("users.update_balance", idempotency_key="b3", user_id=1, amount_kopeks=-900)
    system.client.send_task("no.such_job", kwargs={"idempotency_key": "x"}, queue=system.queue)
    wait_until("the dead letter", lambda: system.count("dead_letters"))
    yield system
    system.stop()


def test_what_is_there_is_shown(busy: System) -> None:
    told = wait_until("the parked message's batch to be told", lambda: _with_parked(busy))
    assert told.keys() == {"version", *NAMES}
    assert all(told[name]["error"] is None for name in NAMES)
    jobs = told["ledger"]["jobs"]
    assert (jobs["seconds"], jobs["whole"], jobs["per_second"]) == (60.0, True, round(4 / 60, 3))
    assert jobs["codes"] == {"applied": round(3 / 60, 3), "insufficient_funds": round(1 / 60, 3)}
    assert told["ledger"]["accounts"] == [{"account": "user:1", "jobs": 4, "rejected": 1}]
    assert told["ledger"]["dead_letters"] == {"parked": 1, "whole": True, "reasons": {"unknown_job": 1}}
    assert told["ledger"]["events"]["outbox"] == busy.count("outbox") > 0
    [worker] = told["workers"]["answered"]
    assert worker["worker"] == f"money@{busy.queue}"
    assert worker["recent"]["codes"] == {"applied": 3, "insufficient_funds": 1, "parked": 1}
    assert 0 < worker["recent"]["apply_s"]["p50"] <= worker["recent"]["apply_s"]["p99"]
    partition = queue(told, partition_queues(busy.queue, 2)[0])
    if busy.broker_url.startswith("redis"):
        assert partition["holder"] == f"money@{busy.queue}"
        assert partition["oldest_s"] == 0
    else:
        assert partition["consumers"] == 1
        assert partition["oldest_s"] is None  # nobody is told
    assert worker["recent"]["publish_to_commit_s"] is None, "stock Celery does not say when it published"
    with BalanceClient(busy.broker_url, queue=busy.queue) as client:
        client.users_upsert(idempotency_key="u2", user_id=2).get(timeout_s=60)
    [worker] = wait_until("a worker", lambda: document(busy)["workers"]["answered"])
    assert 0 <= worker["recent"]["publish_to_commit_s"]["p50"] < 60  # clocks differ by milliseconds
    text = top(busy).stdout
    for part in ("insufficient_funds", "user:1", "unknown_job 1", f"money@{busy.queue}", partition["queue"]):
        assert part in text


def _with_parked(system: System) -> Any:
    told = document(system)
    answered = told["workers"]["answered"]
    return told if answered and answered[0]["recent"]["jobs"] == 5 else None


def test_no_worker_is_told_from_nothing_to_do(system: System) -> None:
    with BalanceClient(system.broker_url, queue=system.queue) as client:
        client.users_upsert(idempotency_key="u", user_id=1, want_result=False)
    told = document(system)
    assert told["workers"] == {"error": None, "answered": []}
    waiting = queue(told, system.queue)
    assert (waiting["messages"], waiting["oldest_known"]) == (1, True)
    assert 0 < waiting["oldest_s"] < 600
    assert "no worker answered" in top(system).stdout


def test_a_message_that_does_not_say_when_it_was_published_is_at_least_so_old(system: System) -> None:
    system.send("users.upsert", idempotency_key="u", user_id=1)
    waiting = queue(document(system), system.queue)
    assert (waiting["messages"], waiting["oldest_known"]) == (1, False)
    assert "≥ " in top(system).stdout


def test_a_source_that_is_away_hides_nothing_else(system: System) -> None:
    told = document(system, broker_url=f"redis://:hunter2@{NOWHERE}/0")
    assert told["ledger"]["jobs"]["codes"] == {}
    assert NOWHERE in told["broker"]["error"]
    assert told["broker"].keys() == {"error"}
    assert told["workers"] == told["broker"]
    assert "hunter2" not in json.dumps(told)
    told = document(system, database_url=f"postgresql://{NOWHERE}/none")
    assert "out of reach" in told["ledger"]["error"]
    assert queue(told, system.queue)["messages"] == 0
    text = top(system, database_url=f"postgresql://{NOWHERE}/none").stdout
    assert "unknown: the database is out of reach" in text
    assert system.queue in text


@pytest.mark.parametrize("ended_by", ["ctrl-c", "sigterm"])
def test_the_live_view_leaves_the_terminal_as_it_came(system: System, ended_by: str) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [SCRIPT, "top", "--interval", "0.5"], env={**system.environment, "TERM": "xterm-256color", "COLUMNS": "150"},
        stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=lambda: os.login_tty(os.dup(0)),
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while b"no worker answered" not in shown:
        shown += os.read(ours, 65_536)
    if ended_by == "ctrl-c":
        os.write(ours, b"\x03")
    else:
        process.send_signal(signal.SIGTERM)
    try:
        while more := os.read(ours, 65_536):
            shown += more
    except OSError:
        pass  # Linux: the other side is closed
    assert process.wait(60) == (0 if ended_by == "ctrl-c" else 128 + signal.SIGTERM)
    os.close(ours)
    assert shown.count(b"\x1b[?1049h") == shown.count(b"\x1b[?1049l") == 1  # to the other screen, and back
    assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")  # the cursor is there again
    assert b"Traceback" not in shown
    assert shown.endswith(b"\x1b[?25h") or shown.rindex(b"\x1b[?1049l") > len(shown) - 20  # nothing is left behind


def test_without_a_terminal_it_says_what_to_write(system: System) -> None:
    done = run("top", environment=system.environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert "balance-worker top --once" in done.stderr
    done = run("top", "--json", environment=system.environment)
    assert done.returncode == 2
    assert "--once --json" in done.stderr
