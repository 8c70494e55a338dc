"""The doctor on real deployments: a sound one, and each thing that can be wrong with one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from kombu import Connection
from sqlalchemy import Engine, create_engine

from models.store.schema.migrations import upgrade
from models.store.server.server import Server, examine
from tests.acceptance.system import System, wait_until
from tests.support.command import run
from tests.support.servers.servers import server_directory
from worker.doctor.clocks import clock
from worker.doctor.database import _session, examine_database
from worker.doctor.finding import Finding
from worker.local.servers.embedded import EmbeddedPostgres, EmbeddedValkey
from worker.settings.settings import Settings

Findings = dict[str, dict[str, Any]]


def doctor(system: System, *arguments: str, **settings: str) -> tuple[int, Findings]:
    """Exit code, and the findings by their check."""
    done = run("doctor", "--json", *arguments, environment={**system.environment, **settings}, timeout_s=120)
    assert done.returncode in (0, 1), done.stderr
    document = json.loads(done.stdout)
    assert document["ok"] == (done.returncode == 0)
    return done.returncode, {finding["check"]: finding for finding in document["findings"]}


def broker(connection: Connection) -> Any:
    """A channel; its stubs leave out much."""
    return connection.channel()


def levels(findings: Findings, level: str) -> set[str]:
    return {check for check, finding in findings.items() if finding["level"] == level}


@pytest.fixture(scope="module")
def durable_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """A Valkey as the guarantees want it."""
    with EmbeddedValkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def configured(durable_valkey: EmbeddedValkey) -> Iterator[Callable[..., None]]:
    """Sets the server's configuration; afterwards it is as before."""
    with redis.Redis.from_url(durable_valkey.url, decode_responses=True) as client:
        client.flushall()
        before: dict[str, str] = {}

        def configure(**values: str) -> None:
            for name, value in values.items():
                name = name.replace("_", "-")
                before.setdefault(name, client.config_get(name)[name])
                client.config_set(name, value)

        yield configure
        for name, value in before.items():
            client.config_set(name, value)


@pytest.fixture
def durable_database_url() -> Iterator[str]:
    """A migrated database of a PostgreSQL that gives up nothing for speed."""
    with server_directory() as directory, EmbeddedPostgres(directory) as server:
        upgrade(server.url)
        yield server.url


@pytest.fixture
def on_valkey(durable_valkey: EmbeddedValkey, database_url: str, engine: Engine, tmp_path: Path) -> Iterator[System]:
    running = System(durable_valkey.url, database_url, engine, "balance", tmp_path)
    yield running
    running.stop()


def test_a_sound_deployment_has_no_failure_until_beat_stops(
    configured: Callable[..., None], on_valkey: System, durable_database_url: str
) -> None:
    on_valkey.environment["BALANCE_DATABASE_URL"] = durable_database_url
    on_valkey.money_worker(queues=["balance", "balance.0", "balance.1"], BALANCE_PARTITIONS="2")
    on_valkey.io_worker(BALANCE_PARTITIONS="2")
    beat = on_valkey.beat()
    on_valkey.environment["BALANCE_PARTITIONS"] = "2"

    def sound() -> Findings | None:
        code, findings = doctor(on_valkey, "--wait", "1", BALANCE_BATCH_LIMIT="7")
        return findings if code == 0 and "beat.alive" not in levels(findings, "warning") else None

    findings = wait_until("beat to tick", sound)
    # The role owns the tables. A machine that is busy with other tests answers late, which looks like a wrong clock.
    warnings = {check for check in levels(findings, "warning") if not check.startswith("worker.clock")}
    assert warnings == {"database.privileges", "worker.money@balance"}
    assert findings["worker.money@balance"]["found"] == "prefetch 200, here 7"
    where = findings["worker.place.money@balance"]["found"]
    for url in (on_valkey.broker_url, durable_database_url):
        assert f"({urlsplit(url).hostname}:{urlsplit(url).port})" in where
    assert "@" not in where
    assert findings["broker.persistence"]["found"] == "appendonly yes, appendfsync always"
    assert findings["workers.balance.1"]["found"] == "money@balance"
    assert findings["broker.database"]["level"] == "ok"
    assert not any(finding["action"] for finding in findings.values() if finding["level"] == "ok")

    beat.terminate()
    assert beat.wait(30) == 0
    wait_until(
        "the doctor to miss beat", lambda: levels(doctor(on_valkey, "--wait", "1")[1], "failure") == {"beat.alive"}
    )


def test_settings_of_redis_that_lose_jobs(configured: Callable[..., None], on_valkey: System) -> None:
    configured(maxmemory_policy="allkeys-lru", appendonly="no")
    with redis.Redis.from_url(on_valkey.broker_url) as client:
        client.set("session:7", "of somebody else")
    stock = {"BALANCE_REDIS_TRANSPORT": "stock", "BALANCE_VISIBILITY_TIMEOUT_S": "60"}
    code, findings = doctor(on_valkey, "--wait", "0.1", **stock)
    assert code == 1
    assert findings["broker.eviction"]["found"] == "maxmemory-policy allkeys-lru"
    assert "noeviction" in findings["broker.eviction"]["action"]
    expected = {"broker.eviction", "broker.persistence", "broker.transport", "workers.balance", "workers.balance.io"}
    assert levels(findings, "failure") >= expected
    assert findings["broker.database"]["found"] == "1 foreign keys: 'session:7'"
    configured(appendonly="yes", appendfsync="everysec")
    finding = doctor(on_valkey, "--wait", "0.1")[1]["broker.persistence"]
    assert (finding["level"], finding["found"]) == ("warning", "appendonly yes, appendfsync everysec")


def test_a_classic_queue_and_a_policy_that_throws_away_are_named(system_on_rabbitmq: System) -> None:
    system, io_queue = system_on_rabbitmq, f"{system_on_rabbitmq.queue}.io"
    with Connection(system.broker_url) as connection:
        channel = broker(connection)
        channel.queue_declare(system.queue, durable=True, auto_delete=False)
        channel.queue_declare(
            io_queue, durable=True, auto_delete=False, arguments={"x-queue-type": "quorum", "x-max-length": 10}
        )
        try:
            code, findings = doctor(system, "--wait", "0.1")
            assert code == 1
            classic, bounded = (findings[f"broker.queue.{queue}"] for queue in (system.queue, io_queue))
            assert (classic["level"], classic["found"]) == ("warning", "durable, x-queue-type classic")
            assert f"balance-worker remake-queue {system.queue}" in classic["action"]
            assert bounded["level"] == "failure"
            assert "x-max-length" in bounded["found"]
            assert f"balance-worker remake-queue {io_queue}" in bounded["action"]
            if "broker.policies" not in findings:  # the management plugin is there
                assert findings[f"broker.policies.{io_queue}"]["found"] == "max-length 10"
            broker(connection).queue_delete(system.queue)
            system.send("wallets.debit", idempotency_key="k")  # declares it as workers do
            finding = doctor(system, "--wait", "0.1")[1][f"broker.queue.{system.queue}"]
            assert (finding["level"], finding["found"]) == ("ok", "durable, x-queue-type quorum")
        finally:
            broker(connection).queue_delete(system.queue)
            broker(connection).queue_delete(io_queue)


def database_findings(url: str) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine_database(Settings(database_url=url))}


def test_an_unmigrated_database_that_gives_up_durability(empty_database_url: str) -> None:
    findings = database_findings(empty_database_url)
    assert findings["database.migrations"].level == "failure"
    assert "balance-worker migrate" in findings["database.migrations"].action
    assert "database.privileges" not in findings
    assert findings["database.durability"].level == "failure"  # that is how the tests' server is started
    assert "fsync = on" in findings["database.durability"].action


def test_timeouts_that_a_pooler_dropped(database_url: str) -> None:
    server = examine(create_engine(database_url))
    assert isinstance(server, Server)
    finding = _session(server, Settings(database_url=database_url))
    assert (finding.level, finding.check) == ("failure", "database.session")
    assert "lock_timeout 0" in finding.found


@pytest.mark.parametrize(("skew_s", "level"), [(0.4, "ok"), (-1.9, "ok"), (2.1, "warning"), (-60.0, "warning")])
def test_clocks_that_differ(skew_s: float, level: str) -> None:
    assert clock("broker.clock", "the broker", 1_000_000.0 + skew_s, 1_000_000.0).level == level


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_nothing_answers(system: System, scheme: str) -> None:
    given = {
        "BALANCE_BROKER_URL": f"{scheme}://user:hunter2@127.0.0.1:1/0",
        "BALANCE_DATABASE_URL": "postgresql://user:hunter2@127.0.0.1:1/balance",
    }
    code, findings = doctor(system, **given)
    assert code == 1
    assert {"broker.reachable", "database.reachable"} <= levels(findings, "failure")
    assert "hunter2" not in json.dumps(findings)
    assert not any(check.startswith("worker") for check in findings)


def test_for_people_each_trouble_says_what_to_do(system: System) -> None:
    done = run("doctor", "--wait", "0.1", environment=system.environment, timeout_s=120)
    assert done.returncode == 1
    assert "failure  broker.persistence" in done.stdout
    assert "CONFIG SET appendonly yes" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("doctor: ")
