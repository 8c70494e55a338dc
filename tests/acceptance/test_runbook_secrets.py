"""docs/runbook.md, "Rotate secrets": each replaced under load, worker by worker; no job is lost, doubled or parked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Engine, make_url

from tests.acceptance.http.running import RunningDoor
from tests.acceptance.system import System, wait_until
from tests.acceptance.under_load import PRODUCER, all_settled, load_on, longest_pause_s, settled_keys
from tests.support import command
from tests.support.builders import execute

pytestmark = pytest.mark.slow

OLD: Final = "old-" + "0" * 32
NEW: Final = "new-" + "1" * 32


class Money:
    """Two money workers, of which always one at least is there."""

    def __init__(self, system: System, **settings: str) -> None:
        self._system, self._turn = system, 0
        self._running: list[tuple[str, Any]] = []
        for _ in range(2):
            self._start(settings)

    def _start(self, settings: dict[str, str]) -> None:
        self._turn += 1
        name = f"money-{self._turn}"
        self._running.append((name, self._system.money_worker(name, **settings)))

    def replace(self, **settings: str) -> None:
        """One after the other: the new one first, then the old one is stopped."""
        for name, process in [*self._running]:
            self._start(settings)
            self._system.end(name, process)
            self._running.remove((name, process))


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Iterator[list[str]]:
    """What the runbook quotes."""
    lines: list[str] = []
    yield lines
    with capsys.disabled():
        print("", *lines, sep="\n")  # noqa: T201


def test_a_producers(any_system: System, told: list[str]) -> None:
    def producers(*secrets: str) -> str:
        return json.dumps({PRODUCER: {"secrets": secrets, "jobs": ["*"]}})

    money = Money(any_system, BALANCE_PRODUCERS=producers(OLD))
    with load_on(any_system, OLD) as load:
        load.more()
        money.replace(BALANCE_PRODUCERS=producers(OLD, NEW))
        load.sign_with(NEW)
        load.more(2)  # the one that was on its way then is among them
        signed = {*load.accepted}
        wait_until("what was signed with the old one to be applied", lambda: signed <= settled_keys(any_system))
        money.replace(BALANCE_PRODUCERS=producers(NEW))
        load.more()
    all_settled(any_system, load)
    told.append(f"a producer's secret: {len(load.accepted)} jobs, longest pause {longest_pause_s(any_system.engine)} s")


def test_the_workers_database_password(system: System, engine: Engine, unique_queue: str, told: list[str]) -> None:
    url = make_url(system.environment["BALANCE_DATABASE_URL"])
    role = "rotating_" + re.sub(r"\W", "_", unique_queue)

    def with_password(password: str) -> str:
        return url.set(username=role, password=password).render_as_string(hide_password=False)

    owner = {**system.environment, "BALANCE_OWNER_URL": system.environment["BALANCE_DATABASE_URL"]}
    try:
        made = command.run("migrate", environment={**owner, "BALANCE_DATABASE_URL": with_password("first")})
        assert made.returncode == 0, made.stderr
        execute(engine, f"alter role {role} password 'first'")
        money = Money(system, BALANCE_DATABASE_URL=with_password("first"))
        with load_on(system) as load:
            load.more()
            execute(engine, f"alter role {role} password 'second'")
            load.more()  # on the connections that they have
            money.replace(BALANCE_DATABASE_URL=with_password("second"))
            load.more()
        all_settled(system, load)
        told.append(f"the database password: {len(load.accepted)} jobs, longest pause {longest_pause_s(engine)} s")
    finally:
        system.stop()
        execute(engine, f"drop owned by {role}")
        execute(engine, f"drop role {role}")


def test_a_key_of_the_door(system: System, tmp_path: Path) -> None:
    """The file of keys is read anew by the door that runs."""
    system.money_worker()
    first, second = (_new_key(system, "shop") for _ in range(2))
    file = tmp_path / "keys.json"

    def keys(*hashes: str) -> None:
        file.write_text(json.dumps({"shop": {"hashes": hashes, "producer": "shop"}}))

    keys(first[1])
    door = RunningDoor(system, BALANCE_HTTP_KEYS=str(file))

    def status(key: str) -> int:
        return door.ask("GET", "/jobs/none", headers={"X-API-Key": key}).status_code

    assert (status(first[0]), status(second[0])) == (404, 401)
    keys(first[1], second[1])
    wait_until("the second one to be good", lambda: status(second[0]) == 404)
    assert status(first[0]) == 404
    keys(second[1])
    wait_until("the first one to be refused", lambda: status(first[0]) == 401)
    assert status(second[0]) == 404


def _new_key(system: System, name: str) -> tuple[str, str]:
    """A key, and its hash, as `http-key` shows them."""
    made = command.run("http-key", name, "--producer", "shop", "--json", environment=system.environment)
    shown = json.loads(made.stdout)
    return shown["key"], shown["entry"][name]["hashes"][0]
