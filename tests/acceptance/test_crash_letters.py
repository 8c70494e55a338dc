"""The worker is killed while it parks a dead letter: the message is kept once, and its neighbour applied once."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from kombu.message import Message

from models.store.write import dead_letters
from tests.acceptance.killpoints import KillPoint, assert_killed, start
from tests.acceptance.system import System, wait_until
from tests.support.servers import forks
from worker.dead_letters.park import park

SETTINGS: Final = {
    "BALANCE_VISIBILITY_TIMEOUT_S": "3",
    "BALANCE_BROKER_SOCKET_TIMEOUT_S": "2",
    "BALANCE_LOCK_TIMEOUT_MS": "1500",
}
# What the letter's `attempts` counts is how often the message was found to be unusable: killed after the commit, twice.
STEPS: Final = {
    "before it is parked": (KillPoint(park, "before"), 1),
    "parked, not committed": (KillPoint(dead_letters.park, "after"), 1),
    "parked": (KillPoint(park, "after"), 2),
    "before it is acknowledged": (KillPoint(Message.ack_log_error, "before"), 2),
}


@pytest.mark.parametrize("step", STEPS)
def test_killed_around_parking_the_letter_is_kept_once(any_system: System, tmp_path: Path, step: str) -> None:
    point, attempts = STEPS[step]
    system = any_system
    arguments = {"idempotency_key": "u", "user_id": 1}
    system.client.send_task("no.such.job", kwargs=arguments, queue=system.queue, ignore_result=True)
    system.client.send_task("no.key", queue=system.queue, ignore_result=True)
    with system.client.producer_pool.acquire() as producer:  # and nothing that tells it from an equal one
        producer.publish(
            "[[], {}, {}]", exchange="", routing_key=system.queue, headers={"task": "no.id"},
            content_type="application/json", content_encoding="utf-8",
        )  # fmt: skip
    system.client.send_task("users.upsert", kwargs=arguments, queue=system.queue, ignore_result=True)

    victim = _start(system, tmp_path / "victim.log", point)
    assert_killed(victim, point, tmp_path / "victim.log")
    rescuer = _start(system, tmp_path / "rescuer.log")
    try:
        wait_until("the neighbour to be applied", lambda: system.count("jobs") == 1)
        counted = f"task = 'no.such.job' and attempts = {attempts}"
        wait_until("the letter", lambda: system.count("dead_letters", counted) == 1)
        wait_until("the others", lambda: system.count("dead_letters", "task in ('no.key', 'no.id')") == 2)
        assert system.ask("users.upsert", **arguments)["replayed"] is True
    finally:
        forks.kill(rescuer)
    assert system.count("dead_letters") == 3
    assert system.rows("select reason from dead_letters where task = 'no.such.job'") == [("unknown_job",)]
    assert system.count("accounts") == 1


def _start(system: System, log: Path, point: KillPoint | None = None) -> Any:
    command = ["worker", "--pool=solo", f"--queues={system.queue}", f"--hostname={log.stem}@crash", "--without-mingle"]
    return start(command, {**system.environment, **SETTINGS}, log, point)
