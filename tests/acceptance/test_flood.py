"""A flood of garbage among good jobs: the good ones are applied, the garbage is counted, the worker lives on."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import redis

from tests.acceptance.system import Process, System, wait_until

GARBAGE: Final = 10_000
GOOD: Final = 1_000
GROWTH_MAX: Final = 64 * 2**20  # bytes of resident memory

Message = tuple[bytes, dict[str, Any], str]  # body, headers, content type


def _job(number: int, **headers: Any) -> dict[str, Any]:
    return {"task": "users.update_balance", "id": f"id-{number}", "lang": "py", "ignore_result": True, **headers}


def _arguments(number: int) -> bytes:
    return json.dumps([[], {"idempotency_key": f"bad-{number}", "user_id": 1, "amount_kopeks": 1}, {}]).encode()


# Each kind of delivery.md 1.4 that a broker can carry; most differ from message to message.
KINDS: Final[list[Callable[[int], Message]]] = [
    lambda n: (b"{not json %d" % n, _job(n), "application/json"),
    lambda n: (b"\xff\xfe%d" % n, _job(n), "application/json"),
    lambda n: (b"\x80\x02%d." % n, _job(n), "application/x-python-serialize"),
    lambda n: (_arguments(n), _job(n), "text/x-unknown"),
    lambda n: (_arguments(n), _job(n, compression="application/x-gzip"), "application/json"),
    lambda n: (_arguments(n), _job(n, eta="soon"), "application/json"),
    lambda n: (_arguments(n), _job(n, expires="2020-01-01T00:00:00+00:00"), "application/json"),
    lambda n: (_arguments(n), _job(n, task=f"nobody.knows.{n % 7}"), "application/json"),
    lambda n: (_arguments(n), {"id": f"id-{n}"}, "application/json"),
    lambda n: (_arguments(n), {"task": "users.update_balance"}, "application/json"),
    lambda n: (b'[[], {"user_id": %d}, {}]' % n, _job(n), "application/json"),
    lambda n: (b"[[%d], {}, {}]" % n, _job(n), "application/json"),
    lambda n: (b'{"number": %d}' % n, _job(n), "application/json"),
    lambda n: (b"[[], {}, {}]", _job(n), "application/json"),  # equal but for its id
    lambda n: (b"[[], {}, {}]", _job(7), "application/json"),  # one letter, counted
]


def _publish(system: System) -> None:
    """Good jobs and garbage by turns; on Redis some of the garbage is no message at all."""
    on_redis = system.broker_url.startswith("redis")
    bad, good = iter(range(GARBAGE)), iter(range(GOOD))
    with system.client.connection_for_write() as connection, contextlib.ExitStack() as opened:
        producer: Any = opened.enter_context(connection.Producer())
        opened.enter_context(producer.batch(max_size=500))
        raw: Any = opened.enter_context(redis.Redis.from_url(system.broker_url)) if on_redis else None
        for _ in range(GOOD):
            for number in [next(bad) for _ in range(GARBAGE // GOOD)]:
                if on_redis and number % 15 == 0:
                    raw.lpush(system.queue, b"\xff no message %d" % number)
                    continue
                body, headers, content_type = KINDS[number % len(KINDS)](number)
                producer.publish(
                    body, exchange="", routing_key=system.queue, headers=headers, content_type=content_type,
                    content_encoding="utf-8",
                )  # fmt: skip
            number = next(good)
            arguments = {"idempotency_key": f"good-{number}", "user_id": 1, "amount_kopeks": 100}
            producer.publish(
                json.dumps([[], arguments, {}]).encode(), exchange="", routing_key=system.queue,
                headers=_job(number), content_type="application/json", content_encoding="utf-8",
            )  # fmt: skip


def _resident(process: Process) -> int:
    """Bytes of memory that a process has in use."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024


def test_ten_thousand_malformed_messages_among_a_thousand_good_jobs(either_system: System) -> None:
    worker = either_system.money_worker()
    either_system.ask("users.upsert", idempotency_key="u", user_id=1)
    before, node = _resident(worker), f"money@{either_system.queue}"
    sizes: list[int] = []
    unanswered: list[int] = []

    def done() -> bool:
        sizes.append(_resident(worker))
        if not either_system.client.control.ping(destination=[node], timeout=20):
            unanswered.append(len(sizes))
        return int(either_system.rows("select coalesce(sum(attempts), 0) from dead_letters")[0][0]) >= GARBAGE

    _publish(either_system)
    wait_until("all garbage to be parked", done, timeout_s=180)
    wait_until("all good jobs", lambda: either_system.count("entries") == GOOD)
    assert either_system.rows("select sum(attempts) from dead_letters") == [(GARBAGE,)]
    assert either_system.rows("select balance from accounts") == [(GOOD * 100,)]
    assert either_system.count("dead_letters", "status <> 'parked'") == 0
    reasons = {reason for (reason,) in either_system.rows("select distinct reason from dead_letters")}
    expected = {"undecodable", "eta", "expired", "unknown_job", "no_task", "no_id", "unusable_key"}
    assert reasons >= expected | {"positional_arguments"}
    assert ("garbage" in reasons) == either_system.broker_url.startswith("redis")
    assert worker.poll() is None
    assert not unanswered, f"{len(unanswered)} of {len(sizes)} pings had no answer"
    assert max(*sizes, _resident(worker)) - before < GROWTH_MAX
