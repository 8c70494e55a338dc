"""What a worker's log says of jobs: who asked for what of whom, under which ids; and no flood of what is wrong."""

from __future__ import annotations

import json
from typing import Any

from balance_client import BalanceClient
from tests.acceptance.system import System, wait_until
from worker.observability.log.floods import FIRST

BAD = 12


def lines(system: System, event: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in system.log("money").splitlines() if line.startswith("{")]
    return [each for each in found if each["event"] == event]


def test_jobs_are_found_in_the_log_by_any_of_their_names(system: System) -> None:
    settings = {"BALANCE_LOG_LEVEL": "debug", "BALANCE_LOG_FORMAT": "json"}
    arguments = ["worker", "--pool=solo", f"--queues={system.queue}", "--without-mingle"]
    worker = system.start("money", ["-m", "celery", "-A", "worker.app", *arguments], settings)  # forks have another end
    with BalanceClient(system.broker_url, "shop", queue=system.queue) as client:
        handle = client.users_upsert(idempotency_key="open", user_id=7)
        job_id = str(handle.get(timeout_s=60).job_id)
        [line] = wait_until("its batch", lambda: lines(system, "jobs.settled"))
        whose = {
            "job": "users.upsert", "task_id": handle.task_id, "job_id": job_id, "producer": "shop", "key": "open",
            "account": "user:7",
        }  # fmt: skip
        assert line.items() >= {**whose, "level": "info", "jobs": 1, "codes": {"applied": 1}}.items()
        jobs = [
            ("users.update_balance", {"idempotency_key": str(n), "user_id": 7, "amount_kopeks": n - 2}) for n in (0, 3)
        ]
        handles = client.submit_many(jobs)
        for each in handles:
            each.get(timeout_s=60)
    of_jobs = wait_until("a line a job", lambda: len(found := lines(system, "job.settled")) == 3 and found)
    assert of_jobs[0].items() >= {**whose, "level": "debug", "code": "applied"}.items()
    assert [(each["key"], each["code"]) for each in of_jobs[1:]] == [("0", "insufficient_funds"), ("3", "applied")]
    batches = lines(system, "jobs.settled")[1:]
    if len(batches) == 1:  # they were ready together
        assert (batches[0]["first"], batches[0]["last"]) == (handles[0].task_id, handles[1].task_id)
    for number in range(BAD):
        _park(system, number)
    assert len(lines(system, "message.parked")) == FIRST
    assert system.end("money", worker) == 0
    [told] = lines(system, "log.flood")
    assert (told["of"], told["unsaid"]) == ("message.parked", BAD - FIRST)


def _park(system: System, number: int) -> None:
    """A message alone, so that it has a line of its own."""
    system.client.send_task(f"no.such_job_{number}", kwargs={}, queue=system.queue)
    wait_until("the dead letter", lambda: system.count("dead_letters") == number + 1)
