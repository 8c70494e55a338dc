"""The partition from outside: batches, poisoned jobs, faults that pass, what Celery's tools see."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import text

from balance_client import BalanceClient
from tests.acceptance.system import System, wait_until

_POISON = """
create function refuse() returns trigger language plpgsql as $$
begin raise exception 'storage says no'; end $$;
create trigger refuse before insert on entries for each row when (new.amount = 1300) execute function refuse();
"""


def _correct(system: System, key: str, amount: int, **options: Any) -> None:
    arguments = {"idempotency_key": key, "user_id": 1, "amount_kopeks": amount}
    system.client.send_task("users.update_balance", kwargs=arguments, queue=system.queue, ignore_result=True, **options)


def test_a_job_at_fault_itself_is_found_retried_and_parked_and_its_neighbours_are_applied(any_system: System) -> None:
    with any_system.engine.begin() as connection:
        connection.execute(text(_POISON))
    worker = any_system.money_worker(BALANCE_RETRY_LIMIT="3")
    any_system.ask("users.upsert", idempotency_key="u", user_id=1)
    for number in range(40):
        _correct(any_system, f"k{number}", 1300 if number == 20 else 100)
    wait_until("all others", lambda: any_system.count("entries") == 39)
    wait_until("the letter", lambda: any_system.count("dead_letters") == 1)
    letter = any_system.rows("select reason, attempts, error, convert_from(body, 'utf8') from dead_letters")[0]
    assert letter[:2] == ("failed", 3)
    assert "storage says no" in letter[2]
    assert '"k20"' in letter[3]
    assert any_system.count("jobs", "idempotency_key = 'k20'") == 0, "it can be sent again under its key"
    assert worker.poll() is None


def test_entries_keep_the_order_in_which_jobs_were_sent(any_system: System) -> None:
    first = any_system.money_worker("first")
    any_system.ask("users.upsert", idempotency_key="u", user_id=1)
    first.terminate()
    first.wait(30)
    for number in range(300):
        _correct(any_system, f"k{number}", number + 1)
    any_system.money_worker()
    wait_until("all", lambda: any_system.count("entries") == 300)
    assert [row[0] for row in any_system.rows("select amount from entries order by seq")] == list(range(1, 301))


def test_as_many_jobs_as_the_limit_allows_share_a_transaction(system: System) -> None:
    with BalanceClient(system.broker_url) as client:
        ready = [("users.upsert", {"user_id": number, "idempotency_key": f"k{number}"}) for number in range(1, 701)]
        client.submit_many(ready, want_result=False)
    system.money_worker(BALANCE_BATCH_LIMIT="700", BALANCE_LOG_FORMAT="json")
    wait_until("all", lambda: system.count("users") == 700)
    wait_until("the line", lambda: "jobs.settled" in system.log("money"))
    lines = [json.loads(line) for line in system.log("money").splitlines() if "jobs.settled" in line]
    assert [line["jobs"] for line in lines] == [700]


def test_while_a_fault_lasts_the_worker_answers_and_shows_what_it_holds(any_system: System) -> None:
    any_system.money_worker(BALANCE_LOCK_TIMEOUT_MS="100")
    any_system.ask("users.upsert", idempotency_key="u", user_id=1)
    with any_system.engine.connect() as holder:
        holder.execute(text("select 1 from accounts for update"))
        _correct(any_system, "held", 100, task_id="held")
        wait_until("the job to wait", lambda: any_system.log("money").count("jobs.waiting") >= 1)
        node = f"money@{any_system.queue}"  # by name: on a RabbitMQ that tests share, all their workers are asked
        inspect = any_system.client.control.inspect([node], timeout=2, limit=1)
        active = wait_until("an answer", inspect.active)
        assert [task["id"] for task in active[node]] == ["held"]
    wait_until("the job", lambda: any_system.count("entries") == 1)


def test_flower_is_told_of_each_job(system: System) -> None:
    system.money_worker(BALANCE_LOCK_TIMEOUT_MS="100")
    seen: dict[str, list[str]] = {}
    with system.client.connection() as connection:
        receiver = system.client.events.Receiver(
            connection, handlers={"*": lambda event: seen.setdefault(event.get("uuid", ""), []).append(event["type"])}
        )
        capture = receiver.itercapture(limit=None, timeout=30, wakeup=True)
        next(capture, None)
        system.ask("users.upsert", idempotency_key="u", user_id=1)
        _correct(system, "good", 100, task_id="good")
        _correct(system, "", 100, task_id="bad")
        wanted = {"good": "task-succeeded", "bad": "task-failed"}
        while not all(kind in seen.get(task, []) for task, kind in wanted.items()):
            next(capture)
        with system.engine.connect() as holder:
            holder.execute(text("select 1 from accounts for update"))
            _correct(system, "held", 100, task_id="held")
            while "task-retried" not in seen.get("held", []):
                next(capture)
        while "task-succeeded" not in seen["held"]:
            next(capture)
    assert seen["good"] == ["task-received", "task-started", "task-succeeded"]
    assert seen["bad"] == ["task-received", "task-started", "task-failed"]
    assert seen["held"][:3] == ["task-received", "task-started", "task-retried"]
