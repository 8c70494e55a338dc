"""A Redis that does not serve a worker: one line says why and what to do, and work goes on when it is mended."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import Engine

from tests.acceptance.system import Process, System, wait_until
from tests.integration.test_redis_checks import ClusterNode
from tests.support.servers.volatile import VolatileValkey
from worker.local.servers.embedded import EmbeddedValkey

QUICK = {"BALANCE_PARTITIONS": "1", "BALANCE_LOG_FORMAT": "json", "BALANCE_PARTITION_LEASE_S": "1"}
ATTEMPTS = 15  # connections; each attempt makes several


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    with VolatileValkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def admin(server: EmbeddedValkey) -> Iterator[Any]:
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        yield client


@pytest.fixture
def system(server: EmbeddedValkey, database_url: str, engine: Engine, tmp_path: Path) -> Iterator[System]:
    running = System(server.url, database_url, engine, "balance", tmp_path)
    running.environment |= QUICK | {"BALANCE_BROKER_URL": f"redis://worker:pw@127.0.0.1:{server.port}/0"}
    yield running
    running.stop()


def admit(admin: Any) -> None:
    """The worker's user; a server that was restarted has forgotten it."""
    admin.execute_command("ACL", "SETUSER", "worker", "on", ">pw", "~*", "&*", "+@all")


def waiting(system: System, name: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in system.log(name).splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == "broker.waiting"]


def told(system: System, step: str) -> bool:
    return any(step in line["next"] for line in waiting(system, "money"))


def settled(system: System, jobs: int) -> bool:
    return system.count("jobs") == jobs


@pytest.mark.slow
def test_a_redis_cluster_is_told_in_one_line_and_a_worker_of_it_stops(system: System, tmp_path: Path) -> None:
    with ClusterNode(tmp_path / "cluster") as node, redis.Redis.from_url(node.url) as client:
        client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        before = client.info("stats")["total_connections_received"]
        command = ["worker", "--pool=solo", "--queues=balance"]
        worker: Process = system.celery("cluster", command, {"BALANCE_BROKER_URL": node.url})
        wait_until("attempts", lambda: client.info("stats")["total_connections_received"] >= before + ATTEMPTS)
        worker.terminate()
        assert worker.wait(20) == 0
    [line] = waiting(system, "cluster")
    assert "Redis Cluster" in line["next"]
    assert "Traceback" not in system.log("cluster")


def test_what_a_server_refuses_is_waited_for(system: System, server: EmbeddedValkey, admin: Any) -> None:
    queues = ["balance", "balance.0"]
    admit(admin)
    worker = system.money_worker(queues=queues)

    def replica(on: bool) -> None:
        admin.replicaof("127.0.0.1", 1) if on else admin.replicaof("NO", "ONE")

    def lonely(on: bool) -> None:
        admin.config_set("min-replicas-to-write", int(on))

    def powerless(on: bool) -> None:
        if on:
            admin.execute_command("ACL", "SETUSER", "worker", "-evalsha")

    def away(on: bool) -> None:
        server.stop() if on else server.start()

    steps: dict[Callable[[bool], None], str] = {
        replica: "names the primary", lonely: "bring its replicas back", powerless: "grant it to that user",
        away: "see that the broker runs",
    }  # fmt: skip
    for number, (happens, step) in enumerate(steps.items()):
        happens(True)
        wait_until(step, partial(told, system, step))
        happens(False)
        admit(admin)
        for queue in queues:
            job = {"idempotency_key": f"{queue}/{number}", "user_id": 1 + number}
            system.client.send_task("users.upsert", kwargs=job, queue=queue, ignore_result=True)
        applied = len(queues) * (number + 1)
        wait_until("both jobs", partial(settled, system, applied))
    assert worker.poll() is None
    assert "Traceback" not in system.log("money")
    # Each state has its line; on the way into one the server may say something else first.
    assert len(waiting(system, "money")) <= 2 * len(steps)
