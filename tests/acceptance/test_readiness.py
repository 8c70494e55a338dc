"""`balance-worker ready`: no as long as anything keeps a worker from its work, yes again by itself."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from time import monotonic

import pytest

from tests.acceptance.proxied import proxied
from tests.acceptance.system import System, wait_until
from tests.support.command import run
from tests.support.servers.proxy import Proxy
from worker.observability.health import SILENT_MAX_S, judge
from worker.observability.pulse import Pulse, is_alive
from worker.settings.settings import Settings

NODE = "money"
SPOKEN_FOR_S = 4  # a worker speaks every two seconds


def _troubles(system: System, later_s: float = 0) -> set[str] | None:
    """The kinds of what the worker's last word comes to, if `later_s` go by without another; None: there is none."""
    given = ("broker_url", "database_url", "queue", "io_queue", "run_dir")
    settings = Settings.model_validate({name: system.environment[f"BALANCE_{name.upper()}"] for name in given})
    for word in Pulse(settings).read(f"{NODE}@{system.queue}"):
        return {trouble.kind for trouble in judge(word, monotonic() + later_s, alive=is_alive(word.pid))}
    return None


def _wait_for(system: System, *kinds: str) -> None:
    """Until these are its troubles, and no others."""
    wait_until(f"{kinds or 'ready'}", lambda: _troubles(system) == {*kinds})


def _ask(system: System) -> tuple[int, list[str], str]:
    """The command's exit code, the kinds that it names, and what it says on stderr."""
    done = run("ready", "--json", f"{NODE}@{system.queue}", environment=system.environment)
    told = json.loads(done.stdout)
    return done.returncode, [trouble["kind"] for each in told for trouble in each["troubles"]], done.stderr


@pytest.fixture
def links(either_system: System) -> Iterator[tuple[Proxy, Proxy]]:
    with proxied(either_system) as both:
        yield both


@pytest.mark.slow  # make test has it over HTTP: the judgement is the same
def test_a_worker_is_ready_while_it_does_its_work_and_only_then(
    either_system: System, links: tuple[Proxy, Proxy]
) -> None:
    broker, database = links
    code, kinds, said = _ask(either_system)
    assert (code, kinds) == (1, [])
    assert "has left word" in said
    worker = either_system.money_worker(NODE, BALANCE_BROKER_SOCKET_TIMEOUT_S="2")
    _wait_for(either_system)
    assert _ask(either_system) == (0, [], "")

    node, control = [f"{NODE}@{either_system.queue}"], either_system.client.control
    control.cancel_consumer(either_system.queue, destination=node)
    _wait_for(either_system, "queues")
    broker.refuse()
    _wait_for(either_system, "broker")
    broker.heal()
    _wait_for(either_system, "queues")
    control.add_consumer(either_system.queue, destination=node)
    _wait_for(either_system)

    database.refuse()
    if either_system.broker_url.startswith("redis"):  # without a job too, whatever the broker
        _wait_for(either_system, "database")
    answer = either_system.send("users.upsert", idempotency_key="k", user_id=1)
    _wait_for(either_system, "database", "held")
    assert _ask(either_system)[:2] == (1, ["database", "held"])
    database.heal()
    assert answer.get()["status"] == "applied"
    _wait_for(either_system)
    log = either_system.log(NODE)
    assert log.count("worker.not_ready") < 6, "once for each reason, and once a minute"
    assert "control add_consumer" in log

    if either_system.broker_url.startswith("redis"):
        worker.send_signal(signal.SIGSTOP)
        wait_until("it to be silent", lambda: _troubles(either_system, SILENT_MAX_S - SPOKEN_FOR_S) == {"loop"})
        worker.send_signal(signal.SIGCONT)
        _wait_for(either_system)
        worker.terminate()
        assert worker.wait(30) == 0
        assert _troubles(either_system) is None, "it has taken its leave"
    else:
        worker.kill()
        worker.wait()
        assert _troubles(either_system) == {"process"}
