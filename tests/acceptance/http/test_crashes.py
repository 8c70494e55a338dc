"""Worker, door and broker fail at each step while requests come: every 2xx is in the ledger once, every retry replays.

docs/crash-matrix.md has the table in words.
"""

from __future__ import annotations

import signal
from typing import Any, Final

import pytest
import sqlalchemy

from balance_client.aio.handles import AsyncJobHandle
from balance_client.publishing.job_message import JobMessage
from balance_client.publishing.links import AmqpLink, RedisLink
from models.contracts.message import parse
from models.store.write import entries, jobs
from tests.acceptance.http.asking import asking
from tests.acceptance.http.running import RunningDoor
from tests.acceptance.killpoints import KillPoint
from tests.acceptance.killpoints import start as start_victim
from tests.acceptance.system import System, wait_until
from tests.support.servers import forks
from tests.support.servers.proxy import Proxy
from worker.consuming.result_writer import ResultWriter
from worker.http.endpoints import as_json
from worker.http.handlers import Handlers

_SOON: Final = {"BALANCE_VISIBILITY_TIMEOUT_S": "4", "BALANCE_BROKER_SOCKET_TIMEOUT_S": "2",
                "BALANCE_LOCK_TIMEOUT_MS": "1500"}  # fmt: skip
_SEND: Final = (RedisLink.send, AmqpLink.send)
OF_THE_WORKER: Final = {
    "a message is understood": KillPoint(parse, "after", 8),
    "the keys are looked up": KillPoint(jobs.find, "after", 5),
    "entries are written": KillPoint(entries.insert, "after", 5),
    "before the commit": KillPoint(sqlalchemy.Connection.commit, "before", 5),
    "after the commit": KillPoint(sqlalchemy.Connection.commit, "after", 5),
    "before the results": KillPoint(ResultWriter.store, "before", 5),
    "after the results": KillPoint(ResultWriter.store, "after", 5),
}
OF_THE_DOOR: Final = {
    "the request is understood": KillPoint(Handlers._fields, "after", 8),
    "the message is made": KillPoint(JobMessage.body, "after", 8),
    "before it is published": KillPoint(_SEND, "before", 8),
    "it is published": KillPoint(_SEND, "after", 8),
    "before the answer is read": KillPoint(AsyncJobHandle.offer, "before", 8),
    "before the response": KillPoint(as_json, "before", 8),
    "the response is made": KillPoint(as_json, "after", 8),
}


def _steps(table: dict[str, KillPoint], *soon: str) -> list[Any]:
    """All of them; those that matter most also in `make test`."""
    return [step if step in soon else pytest.param(step, marks=pytest.mark.slow) for step in table]


def _worker(system: System, name: str, point: KillPoint | None = None) -> Any:
    command = ["worker", "--pool=solo", f"--queues={system.queue}", f"--hostname={name}@{system.queue}"]
    environment = {**system.environment, **_SOON}
    return start_victim([*command, "--without-mingle"], environment, system.logs / f"{name}.log", point)


@pytest.mark.parametrize(
    "step", _steps(OF_THE_WORKER, "the keys are looked up", "before the commit", "after the commit")
)
def test_the_worker_dies(either_system: System, step: str) -> None:
    first = _worker(either_system, "first")
    rescuer = None
    try:
        door = RunningDoor(either_system)
        with asking(door, either_system, 12):
            forks.kill(first)
            victim = _worker(either_system, "victim", OF_THE_WORKER[step])
            assert forks.exit_code(victim) == -signal.SIGKILL, either_system.log("victim")[-2000:]
            rescuer = _worker(either_system, "rescuer")
    finally:
        for process in (first, rescuer):
            if process is not None:
                forks.kill(process)


@pytest.mark.parametrize(
    "step", _steps(OF_THE_DOOR, "before it is published", "it is published", "before the response")
)
def test_the_door_dies(either_system: System, step: str) -> None:
    either_system.money_worker()
    door = RunningDoor(either_system)
    with asking(door, either_system, 12):
        door.process.kill()
        door.process.wait()
        door.start(OF_THE_DOOR[step])
        assert door.process.wait(60) == -signal.SIGKILL, either_system.log("http")[-2000:]
        door.start()


def test_the_broker_is_away_and_comes_back(either_system: System) -> None:
    with Proxy(either_system.broker_url) as link:
        either_system.money_worker(BALANCE_BROKER_URL=link.url)
        door = RunningDoor(either_system, BALANCE_BROKER_URL=link.url)
        with asking(door, either_system, 40) as asked:
            wait_until("some to be settled", lambda: len(asked.settled) > 20)
            link.cut()
            wait_until("more to be settled", lambda: len(asked.settled) > 40)
            link.refuse()
            wait_until("the door to say so", lambda: 503 in asked.faults)
            assert door.get("/readyz").status_code == 503
            link.heal()
        assert door.get("/readyz").status_code == 200
