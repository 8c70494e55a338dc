"""A message is one dead letter, however often it is delivered, and two that are equal are two: on both brokers."""

from __future__ import annotations

from typing import Any, Final

import redis

from tests.acceptance.system import System, wait_until
from tests.integration.cli.conftest import Cli

KEYLESS: Final = b"[[], {}, {}]"
KEYED: Final = b'[[], {"idempotency_key": "%s"}, {}]'
Message = tuple[dict[str, Any], bytes]  # headers, body

# By the task that nobody knows: what is published, and the attempts of the letters that it becomes.
SENT: Final[dict[str, tuple[list[Message], list[int]]]] = {
    "keyless.other_ids": ([({"id": str(number)}, KEYLESS) for number in range(16)], [1] * 16),
    "keyless.one_id": ([({"id": "one"}, KEYLESS)] * 3, [3]),
    "keyless.one_id_two_bodies": ([({"id": "one"}, KEYLESS), ({"id": "one"}, b"[[], {}, null]")], [1, 1]),
    "keyless.no_id": ([({}, KEYLESS)] * 4, [1] * 4),
    "keyless.no_id_two_bodies": ([({}, KEYLESS), ({}, b"[[], {}, null]")], [1, 1]),
    "keyed.other_ids": ([({"id": str(number)}, KEYED % b"a") for number in range(3)], [3]),
    "keyed.two_keys": ([({"id": "one"}, KEYED % b"b"), ({"id": "one"}, KEYED % b"c")], [1, 1]),
    "keyed.no_id": ([({}, KEYED % b"d")] * 2, [2]),
    "unreadable": ([({"id": str(number)}, b"{") for number in range(2)], [1, 1]),
    "unreadable.no_id": ([({}, b"{")] * 2, [1, 1]),
}
GARBAGE: Final = [1, 1, 1]


def _publish(system: System) -> None:
    with system.client.connection_for_write() as connection, connection.Producer() as producer:
        for task, (messages, _) in SENT.items():
            for headers, body in messages:
                producer.publish(
                    body, exchange="", routing_key=system.queue, content_type="application/json",
                    content_encoding="utf-8", headers={**headers, "task": task, "row": task},
                )  # fmt: skip
    if system.broker_url.startswith("redis"):
        with redis.Redis.from_url(system.broker_url) as client:
            client.lpush(system.queue, *[b"no message"] * len(GARBAGE))


def _letters(system: System) -> dict[str, list[int]]:
    """The attempts of the letters of each row."""
    found = system.rows("select coalesce(headers->>'row', 'garbage'), attempts from dead_letters order by 1, 2")
    return {row: sorted(attempts for name, attempts in found if name == row) for row in {name for name, _ in found}}


def test_equal_messages_are_as_many_letters_and_what_is_replayed_finds_its_own(any_system: System) -> None:
    on_redis = any_system.broker_url.startswith("redis")
    expected = {task: attempts for task, (_, attempts) in SENT.items()} | ({"garbage": GARBAGE} if on_redis else {})
    any_system.money_worker()
    _publish(any_system)
    wait_until("the letters", lambda: _parked(any_system) == _total(expected))
    assert _letters(any_system) == expected

    settings = ("database_url", "broker_url", "queue", "io_queue")
    cli = Cli({name: any_system.environment[f"BALANCE_{name.upper()}"] for name in settings})
    replayed = cli.json("dead-letters", "replay", "--all", "--yes")["replayed"]
    again = {row: [each + (row != "garbage") for each in attempts] for row, attempts in expected.items()}
    wait_until("all that was replayed to come back", lambda: _parked(any_system) == _total(expected) + replayed)
    assert _letters(any_system) == again
    assert any_system.count("dead_letters", "status <> 'parked'") == 0


def _parked(system: System) -> int:
    return int(system.rows("select coalesce(sum(attempts), 0) from dead_letters")[0][0])


def _total(letters: dict[str, list[int]]) -> int:
    return sum(map(sum, letters.values()))
