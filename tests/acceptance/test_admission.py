"""Whatever a stranger sends to a queue of ours, in shape or in size: no worker ends, reconnects, waits or runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.acceptance.system import Process, System, wait_until
from tests.support.search import DRAWN

SCAN: Final = "autotopup.scan"
FUTURE: Final = "2037-01-01T00:00:00+00:00"
NOTHING: Final[Any] = [[], {}, {}]
_LARGE: Final = 40_000  # characters: of those, three each are enough
_GROWTH_MAX: Final = 64 << 20  # bytes of resident memory

Shape = tuple[dict[str, Any], Any]  # headers, body


def _headers(task: str, **changes: Any) -> dict[str, Any]:
    return {"task": task, "id": "i", "lang": "py", "root_id": "i", "argsrepr": "()", "kwargsrepr": "{}", **changes}


def _less(*names: str) -> dict[str, Any]:
    return {name: value for name, value in _headers(SCAN).items() if name not in names}


def _deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


# By what is strange about it. The one that is a tick of ours after all is not parked: its id is made anew.
SHAPES: Final[dict[str, Shape]] = {
    "task alone": ({"task": SCAN}, {}),
    "no id": (_less("id"), [[1], {}, {}]),
    "id is an object": (_headers(SCAN, id={"a": 1}), [[1], {}, {}]),
    "body is null": (_headers(SCAN), None),
    "body is a number": (_headers(SCAN), 5),
    "body is of numbers": (_headers(SCAN), [5, 5, 5]),
    "body is too short": (_headers(SCAN), [[]]),
    "body is empty": (_headers(SCAN), b""),
    "body is no JSON": (_headers(SCAN), b"{"),
    "embed is a list": (_headers(SCAN), [[], {}, [1]]),
    "arguments": (_headers(SCAN), [[1], {}, {}]),
    "keywords": (_headers(SCAN), [[], {"a": 1}, {}]),
    "callbacks": (_headers(SCAN), [[], {}, {"callbacks": [{"task": SCAN, "options": {"queue": "x"}}]}]),
    "chord": (_headers(SCAN), [[], {}, {"chord": {"task": SCAN}}]),
    "something else embedded": (_headers(SCAN), [[], {}, {"a": 0}]),
    "deep": (_headers(SCAN), [[], {}, {"chain": _deep(900)}]),
    "eta": (_headers(SCAN, eta=FUTURE), NOTHING),
    "eta is no time": (_headers(SCAN, eta=5), NOTHING),
    "large": (_headers(SCAN), [[], {"a": "x" * 500_000}, {}]),
    "large and later": (_headers(SCAN, eta=FUTURE, argsrepr="x" * 100_000), NOTHING),
    "first protocol": ({}, {"task": SCAN, "id": "i", "args": [], "kwargs": {}}),
    "first protocol, later": ({}, {"task": SCAN, "id": "i", "args": [], "kwargs": {}, "eta": FUTURE}),
    "other case": (_headers("Autotopup.Scan"), NOTHING),
    "task is no text": (_headers(5), NOTHING),  # type: ignore[arg-type]
    "task is a list": (_headers([SCAN]), NOTHING),  # type: ignore[arg-type]
    "unknown task": (_headers("no.such"), NOTHING),
    "nothing at all": ({}, {}),
    "starmap": (_headers("celery.starmap"), [[], {"task": {"task": SCAN, "args": []}, "it": [[]] * 4_000}, {}]),
    "map": (_headers("celery.map"), [[], {"task": {"task": SCAN}, "it": [[]] * 10}, {}]),
    "chunks": (_headers("celery.chunks"), [[], {"task": {"task": SCAN}, "it": [[]] * 10, "n": 1}, {}]),
    "group": (_headers("celery.group"), [[], {"tasks": [{"task": SCAN}], "result": [], "group_id": "g"}, {}]),
    "chain": (_headers("celery.chain"), [[{"task": SCAN}], {}, {}]),
    "chord task": (_headers("celery.chord"), [[], {"header": [], "body": {"task": SCAN}}, {}]),
    "chord unlock": (_headers("celery.chord_unlock"), [["g", {"task": SCAN}], {}, {}]),
    "accumulate": (_headers("celery.accumulate"), [[1, 2], {}, {}]),
    "cleanup": (_headers("celery.backend_cleanup"), NOTHING),
}
# Of a tick's own headers nothing is read: these are ticks, and are run as if they were not there.
TICKS: Final[dict[str, Shape]] = {
    "stamps": (_headers(SCAN, stamps=5, stamped_headers=5), NOTHING),
    "limits": (_headers(SCAN, timelimit="x"), NOTHING),
    "expires": (_headers(SCAN, expires={"a": 1}), NOTHING),
    "retries": (_headers(SCAN, retries="x", group=5, group_index="x"), NOTHING),
    "linked by headers": (_headers(SCAN, errbacks=[{"task": SCAN}], chain=[{"task": SCAN}], chord=5), NOTHING),
    "large header": (_headers(SCAN, argsrepr="x" * 50_000, shadow="x" * 50_000), NOTHING),
    "a beat that is no clock": (_headers(SCAN, balance_beat={"host": 5, "clock": "x"}), NOTHING),
}


def _publish(system: System, queue: str, shapes: list[Shape]) -> None:
    with system.client.connection_for_write() as connection:
        producer: Any = connection.Producer()
        with producer.batch(max_size=200):
            for headers, body in shapes:
                raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                producer.publish(
                    raw, exchange="", routing_key=queue, headers=headers, content_type="application/json",
                    content_encoding="utf-8",
                )  # fmt: skip


def _letters(system: System) -> int:
    return int(system.rows("select coalesce(sum(attempts), 0) from dead_letters")[0][0])


def _resident(process: Process) -> int:
    """Bytes of memory that a process has in use."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024


def _starts(log: str) -> int:
    return log.count("broker.connected")


@pytest.mark.parametrize("door", ["money", "io"])
def test_no_shape_of_message_stops_or_delays_a_worker(any_system: System, door: str) -> None:
    system, queue = any_system, any_system.queue
    workers = {"money": system.money_worker(), "io": system.io_worker(BALANCE_TOPUP_SCAN_EVERY_S="3600")}
    assert system.ask("users.upsert", idempotency_key="u", user_id=1)["code"] == "applied"
    worker, target = workers[door], queue if door == "money" else f"{queue}.io"
    # On the money queue a tick is as strange as the rest, and on the other a money job is.
    parked = [*SHAPES.values(), *(TICKS.values() if door == "money" else [])]
    job = (_headers("users.update_balance"), [[], {"idempotency_key": "k", "user_id": 1, "amount_kopeks": 1}, {}])
    parked += [(_headers(SCAN), NOTHING)] if door == "money" else [job]
    _publish(system, target, parked * 3)
    wait_until("all to be parked", lambda: _letters(system) == 3 * len(parked))
    before = _resident(worker)
    many = [shape for shape in parked if len(str(shape)) < _LARGE] * DRAWN.examples(10)
    _publish(system, target, many)
    outcome = system.ask("users.update_balance", idempotency_key="next", user_id=1, amount_kopeks=1)
    assert outcome["code"] == "applied"
    wait_until("all to be parked", lambda: _letters(system) == 3 * len(parked) + len(many), timeout_s=120)
    assert all(process.poll() is None for process in workers.values())
    assert _resident(worker) - before < _GROWTH_MAX
    assert [_starts(system.log(name)) for name in workers] == [1, 1], "no connection was given up"
    assert system.count("entries") == 1
    reasons = {reason for (reason,) in system.rows("select distinct reason from dead_letters")}
    assert reasons == {"undecodable", "no_task", "unknown_job", "wrong_queue", "too_deep", "positional_arguments"} | (
        {"not_a_tick"} if door == "io" else set()
    )
    assert "Traceback" not in system.log("io") + system.log("money")


def test_a_tick_is_run_whatever_stands_in_its_headers(any_system: System) -> None:
    system, node = any_system, f"io@{any_system.queue}"
    system.io_worker()
    for name, shape in TICKS.items():
        before = _runs(system, node)
        _publish(system, f"{system.queue}.io", [shape])
        wait_until(f"{name} to be run", lambda before=before: _runs(system, node) == before + 1)  # type: ignore[misc]
    assert system.count("dead_letters") == 0


def _runs(system: System, node: str) -> int:
    stats: Any = wait_until("its numbers", lambda: system.client.control.inspect([node], timeout=1).stats())
    return int(stats[node]["total"].get(SCAN, 0))
