"""Dead letters from outside: what an operator does with them, on both brokers."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from sqlalchemy import text

from tests.acceptance.system import System, wait_until
from tests.integration.cli.conftest import Cli, told
from tests.support.command import SCRIPT
from tests.support.servers.queues import taken

POISON = """
create function refuse() returns trigger language plpgsql as $$
begin raise exception 'storage says no'; end $$;
create trigger refuse before insert on entries for each row when (new.amount = 1300) execute function refuse();
"""


@pytest.fixture
def cli(any_system: System) -> Cli:
    """The command line on the system's database and broker."""
    names = ("database_url", "broker_url", "queue", "io_queue")
    return Cli({name: any_system.environment[f"BALANCE_{name.upper()}"] for name in names})


def send_raw(system: System, body: str, headers: dict[str, Any], content_type: str = "application/json") -> None:
    with system.client.producer_pool.acquire() as producer:
        producer.publish(
            body.encode(), exchange="", routing_key=system.queue, content_type=content_type,
            content_encoding="utf-8", headers={"ignore_result": True, **headers},
        )  # fmt: skip


def correct(system: System, key: str, **options: Any) -> None:
    arguments = {"idempotency_key": key, "user_id": 1, "amount_kopeks": 100}
    system.client.send_task("users.update_balance", kwargs=arguments, queue=system.queue, ignore_result=True, **options)


def expired(system: System, count: int) -> None:
    """Parks so many letters of good jobs that came too late."""
    # Not through Celery: on RabbitMQ it would give them a time to live of 0, by which the broker itself drops some.
    late = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    for number in range(count):
        body = [[], {"idempotency_key": f"late-{number}", "user_id": 1, "amount_kopeks": 100}, {}]
        send_raw(system, json.dumps(body), {"task": "users.update_balance", "id": f"late-{number}", "expires": late})
    wait_until("the letters", lambda: system.count("dead_letters") == count)


def statuses(system: System) -> dict[str, int]:
    return dict(map(tuple, system.rows("select status, count(*) from dead_letters group by status")))


def test_a_job_that_failed_is_replayed_applied_once_and_leads_from_letter_to_job(any_system: System, cli: Cli) -> None:
    with any_system.engine.begin() as connection:
        connection.execute(text(POISON))
    any_system.money_worker(BALANCE_RETRY_LIMIT="2")
    any_system.ask("users.upsert", idempotency_key="u", user_id=1)
    body = '[[], {"idempotency_key": "k", "producer": "shop", "user_id": 1, "amount_kopeks": 1300}, {}]'
    headers = {"task": "users.update_balance", "id": "first", "traceparent": "00-1", "nested": {"a": [1, None, "b"]}}
    send_raw(any_system, body, headers)
    correct(any_system, "neighbour")  # which passes: so it is the job's own fault
    wait_until("the letter", lambda: any_system.count("dead_letters"))
    [letter] = cli.json("dead-letters", "list", "--reason", "failed")["dead_letters"]
    assert (letter["producer"], letter["idempotency_key"], letter["attempts"]) == ("shop", "k", 2)

    assert cli.text("dead-letters", "replay", letter["id"]) == "replayed 1 letter\n"
    correct(any_system, "another neighbour")
    wait_until("it to fail again", lambda: statuses(any_system) == {"parked": 1} and _attempts(any_system) == 4)
    with any_system.engine.begin() as connection:
        connection.execute(text("drop trigger refuse on entries"))
    assert cli.text("dead-letters", "replay", letter["id"]) == "replayed 1 letter\n"
    wait_until("the job", lambda: any_system.count("jobs", "idempotency_key = 'k'"))
    shown = cli.json("dead-letters", "show", letter["id"])
    [(job_id,)] = any_system.rows("select id from jobs where idempotency_key = 'k'")
    assert (shown["status"], shown["job_id"], shown["job_code"]) == ("replayed", str(job_id), "applied")
    assert (shown["body"], shown["headers"]["nested"]) == (body, headers["nested"])
    assert any_system.count("entries") == 3
    said = told(cli("dead-letters", "replay", letter["id"]), 1)
    assert f"its key is answered: `balance-worker jobs show {job_id}`" in said


def _attempts(system: System) -> int:
    return int(system.rows("select sum(attempts) from dead_letters")[0][0])


def test_many_are_replayed_by_a_filter_and_an_interrupted_run_goes_on(any_system: System, cli: Cli) -> None:
    worker = any_system.money_worker()
    any_system.ask("users.upsert", idempotency_key="u", user_id=1)
    expired(any_system, 250)
    send_raw(any_system, "[[], {}, {}]", {"task": "nobody.knows", "id": "1"})
    wait_until("one of another kind", lambda: any_system.count("dead_letters") == 251)
    command = ["dead-letters", "replay", "--reason", "expired"]
    assert "Replay 250 letters? There is no terminal" in told(cli(*command))
    # Killed when the broker has the first hundred and nothing has been marked.
    settings = {f"BALANCE_{name.upper()}": value for name, value in cli.settings.items()}
    with any_system.engine.connect() as holder:
        holder.execute(text("select 1 from dead_letters for update"))
        running = subprocess.Popen([SCRIPT, *command, "--yes"], env={**any_system.environment, **settings})
        wait_until("the first batch to be applied", lambda: any_system.count("entries") == 100)
        running.kill()
        running.wait()
    assert statuses(any_system) == {"parked": 251}
    assert cli.json(*command, "--yes") == {"replayed": 250, "not_replayable": 0}
    wait_until("all", lambda: any_system.count("entries") == 250)
    assert statuses(any_system) == {"parked": 1, "replayed": 250}
    page = cli.json("dead-letters", "list", "--status", "replayed", "--limit", "1000")["dead_letters"]
    assert {letter["job_code"] for letter in page} == {"applied"}
    assert worker.poll() is None


@pytest.fixture
def cli_of(system: System, database_url: str) -> Cli:
    return Cli({"database_url": database_url, "broker_url": system.broker_url})


def test_what_is_still_wrong_comes_back_to_the_same_letter(system: System, cli_of: Cli) -> None:
    system.money_worker()
    system.ask("users.upsert", idempotency_key="u", user_id=1)
    good = '[[], {"idempotency_key": "%s", "user_id": 1, "amount_kopeks": 100}, {}]'
    send_raw(system, "[[1], {}, {}]", {"task": "users.update_balance", "id": "1"})
    send_raw(system, good % "a", {"task": "users.update_balance", "id": "2"}, "text/strange")
    send_raw(system, good % "b", {"task": "users.update_balance"})  # without an id
    wait_until("the letters", lambda: system.count("dead_letters") == 3)
    assert cli_of.json("dead-letters", "replay", "--all", "--yes") == {"replayed": 3, "not_replayable": 0}
    wait_until("all to come back", lambda: _attempts(system) == 5)
    letters = system.rows("select reason, status, attempts from dead_letters order by reason")
    assert [tuple(row) for row in letters] == [
        ("no_id", "replayed", 1),  # it was given one
        ("positional_arguments", "parked", 2),
        ("undecodable", "parked", 2),
    ]
    wait_until("the job", lambda: system.count("jobs", "idempotency_key = 'b'"))


@pytest.fixture
def garbage(system: System) -> str:
    """The id of a letter of bytes that are no message."""
    worker = system.money_worker()
    with redis.Redis.from_url(system.broker_url) as client:
        client.lpush("balance", b"hello")
    wait_until("the letter", lambda: system.count("dead_letters"))
    worker.terminate()
    worker.wait(30)
    return str(system.rows("select id from dead_letters")[0][0])


def test_what_cannot_be_sent_again_says_so(system: System, garbage: str, cli_of: Cli) -> None:
    cli = cli_of
    said = told(cli("dead-letters", "replay", garbage), 1)
    assert "is no Celery message and cannot be sent again" in said
    assert f"balance-worker dead-letters discard {garbage}" in said
    assert cli.json("dead-letters", "replay", "--all") == {"replayed": 0, "not_replayable": 1}
    cli.text("dead-letters", "discard", garbage, "--reason", "somebody tried things out")
    assert "was discarded at" in told(cli("dead-letters", "replay", garbage), 1)
    assert [*taken(system.broker_url, "balance")] == []


def test_a_letter_whose_queue_is_gone_goes_to_the_door(system: System, cli_of: Cli) -> None:
    with system.engine.begin() as connection:
        connection.execute(
            text(
                "insert into dead_letters (id, digest, status, reason, error, task, queue, headers, properties, body,"
                " attempts, first_seen, last_seen) values (gen_random_uuid(), sha256('x'), 'parked', 'failed', 'e',"
                " 't', 'balance.17', cast(:headers as json), cast(:properties as json), 'body', 1, now(), now())"
            ),
            {
                "headers": json.dumps({"id": "1", "at": {"__type__": "base64", "__value__": "/w=="}}),
                "properties": json.dumps({"content_type": "x/y", "correlation_id": "c", "reply_to": "r"}),
            },
        )
    assert cli_of.text("dead-letters", "replay", "--task", "t") == "replayed 1 letter\n"
    [message] = taken(system.broker_url, "balance")
    raw_body: Any = message.body
    assert (raw_body, message.content_type) == (b"body", "x/y")
    assert {name: message.properties[name] for name in ("correlation_id", "reply_to")} == {
        "correlation_id": "c",
        "reply_to": "r",
    }
    assert message.headers["id"] == "1"


def test_a_broker_that_is_away_leaves_the_letters_parked(system: System, garbage: str, database_url: str) -> None:
    with system.engine.begin() as connection:
        connection.execute(text("update dead_letters set reason = 'failed'"))
    away = Cli({"database_url": database_url, "broker_url": "redis://127.0.0.1:1/0"})
    said = told(away("dead-letters", "replay", garbage))
    assert "0 of 1 letter were replayed; repeat the command to go on" in said
    assert statuses(system) == {"parked": 1}
