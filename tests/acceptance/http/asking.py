"""A load of requests, each sent again with its key until it is answered: what any careful client does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from time import monotonic
from typing import Any, Final

import httpx

from tests.acceptance.http.running import RunningDoor
from tests.acceptance.system import System

_GIVES_UP_S: Final = 90.0
_AGAIN_S: Final = 0.1
_THREADS: Final = 4


@dataclass(slots=True)
class Asked:
    """What each key was answered in the end, and all that it was answered on the way."""

    each: int  # requests of each thread
    settled: dict[str, bytes] = field(default_factory=dict)  # bodies of 2xx
    faults: list[int | str] = field(default_factory=list)  # statuses and errors of those that were sent again

    def run(self, door: RunningDoor, thread: int) -> None:
        with httpx.Client(base_url=door.url, headers=door.headers, timeout=20) as client:
            for number in range(self.each):
                self._until_settled(client, f"{thread}-{number}", thread)

    def _until_settled(self, client: httpx.Client, key: str, thread: int) -> None:
        deadline, pause = monotonic() + _GIVES_UP_S, Event()
        while True:
            answer = self._ask(client, key, thread)
            if answer is not None and answer.status_code == 200:
                self.settled[key] = answer.content
                return
            assert monotonic() < deadline, f"{key} is not settled: {self.faults[-5:]}"
            pause.wait(_AGAIN_S)

    def _ask(self, client: httpx.Client, key: str, thread: int) -> httpx.Response | None:
        body: Any = {"amount_kopeks": 1, "description": key}
        try:
            answer = client.post(f"/users/{thread + 1}/balance", json=body, headers={"Idempotency-Key": key})
        except httpx.TransportError as error:
            self.faults.append(type(error).__name__)
            return None
        assert answer.status_code in (200, 202, 500, 503), answer.text
        if answer.status_code != 200:
            self.faults.append(answer.status_code)
        return answer


@contextmanager
def asking(door: RunningDoor, system: System, each: int) -> Iterator[Asked]:
    """Requests go on while the block runs; after it all of them are settled, once, and a retry of each replays."""
    for number in range(1, _THREADS + 1):
        assert door.ask("PUT", f"/users/{number}", {}, f"u{number}").status_code == 200
    asked = Asked(each)
    failed: list[BaseException] = []

    def run(thread: int) -> None:
        try:
            asked.run(door, thread)
        except BaseException as error:  # noqa: BLE001 - raised below, where the test sees it
            failed.append(error)

    threads = [Thread(target=run, args=(number,), daemon=True) for number in range(_THREADS)]
    for each_thread in threads:
        each_thread.start()
    yield asked
    for each_thread in threads:
        each_thread.join(_GIVES_UP_S + 30)
    if failed:
        raise failed[0]
    _in_the_ledger_once(asked, system)
    _replayed(asked, door)


def _in_the_ledger_once(asked: Asked, system: System) -> None:
    keys = {f"{thread}-{number}" for thread in range(_THREADS) for number in range(asked.each)}
    assert set(asked.settled) == keys
    written = system.rows("select idempotency_key, count(*) from jobs j join entries e on e.job_id = j.id group by 1")
    assert dict(map(tuple, written)) == dict.fromkeys(keys, 1)
    balances = system.rows("select distinct balance from accounts where kind = 'user'")
    assert balances == [(asked.each,)]


def _replayed(asked: Asked, door: RunningDoor) -> None:
    for key in list(asked.settled)[:: max(1, len(asked.settled) // 12)]:
        body = {"amount_kopeks": 1, "description": key}
        answer = door.post(f"/users/{int(key[0]) + 1}/balance", body, key)
        assert (answer.status_code, answer.headers["idempotent-replayed"]) == (200, "true")
        assert answer.content == asked.settled[key]
