"""A deployment that tells events: settings without long pauses, readers of its stream, and what must have arrived."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import redis
from kombu import Connection, Exchange, Queue

from tests.acceptance.killpoints import KillPoint, assert_killed, start
from tests.acceptance.system import System, wait_until
from tests.support.servers import forks
from tests.support.servers.receiver import Receiver

KEY: Final = "a key of the tests, of some length"
TIMEOUT_S: Final = 0.5
SETTINGS: Final = {
    "BALANCE_WEBHOOK_KEY": KEY,
    "BALANCE_WEBHOOK_ALLOW_PRIVATE": "true",
    "BALANCE_WEBHOOK_TIMEOUT_S": str(TIMEOUT_S),
    "BALANCE_WEBHOOK_RETRY_BASE_S": "0.05",
    "BALANCE_WEBHOOK_RETRY_CAP_S": "0.1",
    "BALANCE_EVENT_RETRY_CAP_S": "0.2",
    "BALANCE_BROKER_SOCKET_TIMEOUT_S": "2",
}
Event = dict[str, Any]
_LEFT: Final = {
    "outbox": "select count(*) from outbox",
    "backlog": "select count(*) from stream_backlog",
    "queues": "select count(*) from webhook_queues",
    "deliveries": "select count(*) from webhook_deliveries where status <> 'delivered'",
}
_TOLD: Final = """
    select a.kind || ':' || a.ref as account, count(*) as count from entries e join accounts a on a.id = e.account_id
    where a.ref = any(:refs) group by 1
"""


class Stream(Protocol):
    def events(self) -> list[Event]:
        """All that has come so far, in its order."""
        ...


class RedisReader:
    def __init__(self, url: str, name: str) -> None:
        self._url, self._name = url, name

    def events(self) -> list[Event]:
        with redis.Redis.from_url(self._url) as client:
            return [json.loads(fields[b"event"]) for _, fields in client.xrange(self._name)]


class RabbitMQReader:
    """Of a queue that has been bound before anything is told."""

    def __init__(self, connection: Connection, name: str) -> None:
        exchange = Exchange(name, "topic", durable=True)
        self._queue = Queue(name, exchange, routing_key="#", durable=False)(connection.default_channel)
        self._queue.declare()
        self._events: list[Event] = []

    def events(self) -> list[Event]:
        while (message := self._queue.get(no_ack=True)) is not None:
            self._events.append(json.loads(message.body or ""))
        return [*self._events]


@contextmanager
def stream_of(broker_url: str, name: str) -> Iterator[Stream]:
    """What comes through the stream of this name; an exchange is gone afterwards."""
    if not broker_url.startswith("amqp"):
        yield RedisReader(broker_url, name)
        return
    with Connection(broker_url) as connection:
        channel: Any = connection.default_channel
        try:
            yield RabbitMQReader(connection, name)
        finally:
            channel.queue_delete(name)
            channel.exchange_delete(name)


class Telling:
    """A system whose events go to a stream and to endpoints. Users are its accounts, each of one test's own."""

    def __init__(self, system: System, stream: Stream, name: str) -> None:
        self.system, self.stream = system, stream
        self._users = 0
        system.environment |= {**SETTINGS, "BALANCE_EVENT_STREAM_NAME": name}

    def users(self, count: int) -> list[int]:
        """New ones, without a balance."""
        first = self._users + 1
        self._users += count
        users = [*range(first, first + count)]
        for user in users:
            self._send("users.upsert", f"u{user}", user_id=user)
        wait_until("the users", lambda: self._opened(users) == count)
        return users

    def tell(self, users: Sequence[int], *numbers: int) -> None:
        """Each of these corrections of each of these users, and with it an event, is true when this returns."""
        before = self._count_of_entries(users)
        for number in numbers:
            for user in users:
                self._send("users.update_balance", f"u{user}/{number}", user_id=user, amount_kopeks=1)
        wanted = before + len(users) * len(numbers)
        wait_until("the corrections", lambda: self._count_of_entries(users) == wanted)

    def listen(self, url: str, name: str = "a receiver") -> str:
        """The id of an endpoint."""
        outcome = self.system.ask("webhooks.add", idempotency_key=f"{name} {url}", name=name, url=url)
        assert outcome["code"] == "applied", outcome
        return str(outcome["response"]["id"])

    @contextmanager
    def io_worker(self, name: str, point: KillPoint | None = None) -> Iterator[Path]:
        """Its log. It dies at `point`, before the block begins, or is killed when the block ends."""
        queue, log = f"{self.system.queue}.io", self.system.logs / f"{name}.log"
        words = ["worker", "--pool=threads", "--concurrency=1", f"--queues={queue}", f"--hostname={name}@{queue}"]
        process = start([*words, "--without-mingle"], self.system.environment, log, point)
        try:
            if point is not None:
                assert_killed(process, point, log)
            yield log
        finally:
            forks.kill(process)

    def left(self) -> dict[str, int]:
        """What is still on its way, of anything."""
        found = {name: self.system.rows(query)[0][0] for name, query in _LEFT.items()}
        return {name: count for name, count in found.items() if count}

    def all_leave(self) -> None:
        """Returns when nothing is on its way any more."""
        wait_until("everything to leave", lambda: not self.left())

    def assert_arrived(self, events: Iterable[Event], users: Sequence[int]) -> None:
        """Every event of these users is among them, in the order of its account, and under one id and in one form."""
        told = {row.account: row.count for row in self.system.rows(_TOLD, refs=[str(user) for user in users])}
        assert len(told) == len(users), "each of them has a balance"
        first: dict[str, dict[int, Event]] = {account: {} for account in told}
        for event in events:
            if event["account"] in first:
                assert first[event["account"]].setdefault(event["seq"], event) == event, "a duplicate is the same event"
        for account, count in told.items():
            assert [*first[account]] == [*range(1, count + 1)], account
        ids = [event["id"] for found in first.values() for event in found.values()]
        assert len({*ids}) == len(ids), "no two have one id"

    def has(self, events: Iterable[Event], users: Sequence[int]) -> bool:
        """Whether every event of these users is among them."""
        refs = [str(user) for user in users]
        found = {(event["account"], event["seq"]) for event in events}
        return all(
            (row.account, number) in found
            for row in self.system.rows(_TOLD, refs=refs)
            for number in range(1, row.count + 1)
        )

    def _send(self, name: str, key: str, **fields: Any) -> None:
        arguments = {"idempotency_key": key, **fields}
        self.system.client.send_task(name, kwargs=arguments, queue=self.system.queue, ignore_result=True)

    def _count_of_entries(self, users: Sequence[int]) -> int:
        rows = self.system.rows(_TOLD, refs=[str(user) for user in users])
        return sum(row.count for row in rows)

    def _opened(self, users: Sequence[int]) -> int:
        [row] = self.system.rows("select count(*) from accounts where ref = any(:refs)", refs=[*map(str, users)])
        return int(row[0])


def received(receiver: Receiver) -> list[Event]:
    """What a receiver was sent, in its order, whatever it answered."""
    return [json.loads(asked.body) for asked in [*receiver.asked]]


def duplicates(events: Sequence[Mapping[str, Any]]) -> int:
    return len(events) - len({event["id"] for event in events})
