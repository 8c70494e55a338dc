"""The worker is killed at every step of the path: what is delivered again is applied once and answered as ever.

The batch holds one job twice; something follows the last one. docs/crash-matrix.md is this table in words.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy
from kombu import Connection, Exchange, Queue
from kombu.message import Message
from sqlalchemy import Engine

from balance_client import BalanceClient
from models.contracts.message import parse
from models.domain.jobs.decide import decide
from models.store.write import accounts, entries, jobs, outbox
from tests.acceptance.killpoints import Function, KillPoint, assert_killed, start
from tests.acceptance.system import System, wait_until
from tests.support.builders import done
from tests.support.servers import forks
from tests.support.servers.queues import taken
from worker.consuming.callback_sender import FollowUps
from worker.consuming.delivery import understand
from worker.consuming.result_writer import ResultWriter

BATCH: Final = [("a", 100), ("b", 50), ("a", 100), ("c", -30)]  # key, kopeks
BALANCES: Final = {"a": 100, "b": 150, "c": 120}  # after each key's entry, in this order
AT_ONCE: Final = 3
SETTINGS: Final = {
    "BALANCE_VISIBILITY_TIMEOUT_S": "3",
    "BALANCE_BROKER_SOCKET_TIMEOUT_S": "2",
    "BALANCE_LOCK_TIMEOUT_MS": "1500",
    "BALANCE_LOG_FORMAT": "json",
}


@dataclass(frozen=True, slots=True)
class Step:
    """Where the worker dies, whether that is after the commit, and how many acknowledgements it had sent by then."""

    point: KillPoint
    committed: bool = False
    acknowledged: int = 0  # RabbitMQ hears of those of a batch together; Redis in the next turn of the event loop


def _step(function: Function | tuple[Function, ...], when: Any, call: int = 1, **what: Any) -> Step:
    return Step(KillPoint(function, when, call), **what)


_ACK: Final = Message.ack_log_error
_LOCK: Final = (accounts.lock_uncontended, accounts.lock)  # a batch, a lone job
_SEND: Final = FollowUps._send
STEPS: Final = {
    "1 the first message is in": _step(understand, "before"),
    "1 half of the batch is in": _step(understand, "before", 3),
    "2 a message is understood": _step(parse, "after"),
    "3 before the accounts are locked": _step(_LOCK, "before"),
    "3 the accounts are locked": _step(_LOCK, "after"),
    "4 the keys are looked up": _step(jobs.find, "after"),
    "5 two jobs are decided": _step(decide, "after", 2),
    "6 before anything is written": _step(jobs.insert, "before"),
    "6 jobs are written": _step(jobs.insert, "after"),
    "6 entries are written": _step(entries.insert, "after"),
    "6 balances are written": _step(accounts.save, "after"),
    "6 events are written": _step(outbox.insert, "after"),
    "7 before the commit": _step(sqlalchemy.Connection.commit, "before"),
    "7 after the commit": _step(sqlalchemy.Connection.commit, "after", committed=True),
    "8 before the results": _step(ResultWriter.store, "before", committed=True),
    "8 after the results": _step(ResultWriter.store, "after", committed=True),
    "8 before what follows is sent": _step(_SEND, "before", committed=True, acknowledged=3),
    "8 what follows is sent": _step(_SEND, "after", committed=True, acknowledged=3),
    "8 one acknowledgement is written": _step(_ACK, "after", committed=True),
    "8 all are written, but for the last one's sending": _step(_ACK, "after", 4, committed=True, acknowledged=3),
}


class Cell:
    """One step on one broker, with a queue and a user of its own."""

    def __init__(self, name: str, user: int, system: System, logs: Path) -> None:
        self.step, self.user, self.system = STEPS[name], user, system
        self._victim_log, self._rescuer_log = logs / f"{user}-victim.log", logs / f"{user}-rescuer.log"
        self.on_redis = system.broker_url.startswith("redis")
        self.after = f"{system.queue}.after"  # a queue of the publisher's own

    def kill(self) -> None:
        """Publishes the batch to a worker that dies of it."""
        done(self.system.engine, "users.upsert", idempotency_key=f"u{self.user}", user_id=self.user)
        if not self.on_redis:
            with Connection(self.system.broker_url) as connection:
                Queue(self.after, Exchange(""), routing_key=self.after)(connection.default_channel).declare()
        for key, kopeks in BATCH:
            link = self.system.client.signature("books.note", queue=self.after) if key == "c" else None
            self.system.client.send_task(
                "users.update_balance", kwargs=self._job(key, kopeks), queue=self.system.queue, ignore_result=True,
                link=link,
            )  # fmt: skip
        victim = self._start(self._victim_log, self.step.point)
        try:
            assert_killed(victim, self.step.point, self._victim_log)
        finally:
            forks.kill(victim)
        written = len(self._entries())
        # On RabbitMQ the messages come one by one, and the batch may be of the first ones.
        assert written in ({3} if self.on_redis else {1, 2, 3}) if self.step.committed else written == 0

    def rescue(self) -> None:
        rescuer = self._start(self._rescuer_log)
        try:
            self._is_rescued()
            self._is_followed()
            self._is_answered_for_ever()
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._rescuer_log.read_text()[-1500:]}") from error
        finally:
            forks.kill(rescuer)

    def _is_rescued(self) -> None:
        redelivered = len(BATCH) - (0 if self.on_redis else self.step.acknowledged)
        wait_until(f"{redelivered} messages to be settled", lambda: self._settled("jobs") >= redelivered)
        wait_until("all entries", lambda: len(self._entries()) == len(BALANCES))
        assert self._settled("jobs") == redelivered
        assert self._settled("applied") + self._settled("replayed") == redelivered
        if not self.step.committed:
            assert self._settled("applied") == len(BALANCES)
        elif self.on_redis:
            assert self._settled("applied") == 0

    def _is_followed(self) -> None:
        sent = wait_until("what follows", lambda: [*taken(self.system.broker_url, self.after)])
        assert {message.payload[0][0]["idempotency_key"] for message in sent} == {f"{self.user}/c"}

    def _is_answered_for_ever(self) -> None:
        # By a client of its own: Celery's consumer of results is one for all cells, and knows no threads.
        with BalanceClient(self.system.broker_url, queue=self.system.queue) as client:
            for key, kopeks in dict(BATCH).items():
                answer = client.users_update_balance(**self._job(key, kopeks)).get(60)
                assert answer.entry is not None
                assert (answer.code, answer.replayed) == ("applied", True)
                assert (answer.entry.amount, answer.entry.balance_after) == (kopeks, BALANCES[key])
        assert self._entries() == [(amount, BALANCES[key]) for key, amount in dict(BATCH).items()]
        query = "select balance from accounts where ref = :ref"
        assert self.system.rows(query, ref=str(self.user)) == [(BALANCES["c"],)]

    def _start(self, log: Path, point: KillPoint | None = None) -> Any:
        command = ["worker", "--pool=solo", f"--queues={self.system.queue}", f"--hostname={log.stem}@crash"]
        return start([*command, "--without-mingle"], {**self.system.environment, **SETTINGS}, log, point)

    def _job(self, key: str, kopeks: int) -> dict[str, Any]:
        return {"idempotency_key": f"{self.user}/{key}", "user_id": self.user, "amount_kopeks": kopeks}

    def _entries(self) -> list[tuple[int, int]]:
        query = "select amount, balance_after from entries join accounts on accounts.id = account_id where ref = :ref"
        return [tuple(row) for row in self.system.rows(f"{query} order by entries.seq", ref=str(self.user))]

    def _settled(self, what: str) -> int:
        """How many of these the rescuer counted."""
        lines = self._rescuer_log.read_text().splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{") and '"jobs.settled"' in line]
        return sum(event[what] for event in events)


@pytest.fixture(params=["redis", "rabbitmq"])
def broker_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def cells(
    broker_url: str, database_url: str, engine: Engine, unique_queue: str, tmp_path: Path
) -> Iterator[dict[str, Cell]]:
    """A cell for each step."""
    made = {}
    for user, name in enumerate(STEPS, start=1):
        system = System(broker_url, database_url, engine, f"{unique_queue}.{user}", tmp_path)
        made[name] = Cell(name, user, system, tmp_path)
    yield made
    for cell in made.values():
        cell.system.stop()
    if broker_url.startswith("amqp"):
        with Connection(broker_url) as connection:
            channel: Any = connection.channel()
            for cell in made.values():
                channel.queue_delete(cell.system.queue)
                channel.queue_delete(cell.after)


def test_killed_at_every_step_each_job_is_applied_once(cells: dict[str, Cell]) -> None:
    failed: dict[str, BaseException] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        # First all victims: meanwhile Redis waits for those that are dead already, to give their messages to others.
        for step in (Cell.kill, Cell.rescue):
            attempts = {name: pool.submit(step, cell) for name, cell in cells.items() if name not in failed}
            failed |= {name: error for name, attempt in attempts.items() if (error := attempt.exception())}
    assert not failed, "\n".join(f"{name}: {error}" for name, error in failed.items())
