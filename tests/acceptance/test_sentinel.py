"""Redis behind sentinels: its primary dies while jobs are published. None is lost, none is applied twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
from sqlalchemy import Engine

from balance_client import BalanceClient, JobHandle, OutcomeTimeout, PublishFailed
from tests.acceptance.system import System, flower_page, wait_until
from tests.acceptance.test_doctor import doctor
from tests.integration.test_redis_checks import look
from tests.support.servers.redis_group import RedisGroup
from tests.support.servers.servers import server_directory
from worker.doctor.finding import Level
from worker.local.ports import free_port

JOBS = 80
PATIENCE_S = 4.0
MOST_LINES = 10  # about a broker that is away, for one failover
PARTITIONS = {"BALANCE_PARTITIONS": "1"}


@pytest.fixture
def group() -> Iterator[RedisGroup]:
    with server_directory() as directory, RedisGroup(directory) as group:
        yield group


@pytest.fixture
def system_behind_sentinels(group: RedisGroup, database_url: str, engine: Engine, tmp_path: Path) -> Iterator[System]:
    running = System(group.url, database_url, engine, "balance", tmp_path)
    yield running
    running.stop()


def answered(handle: JobHandle, deadline: float) -> bool:
    try:
        return handle.get(max(0.1, deadline - monotonic())).applied
    except OutcomeTimeout:
        return False


def test_jobs_outlive_their_primary(group: RedisGroup, system_behind_sentinels: System) -> None:
    system = system_behind_sentinels
    system.environment |= PARTITIONS
    port = free_port()
    flower = system.start("flower", ["-m", "celery", "-A", "worker.app", "flower", f"--port={port}"])
    beat = system.beat()
    worker = system.money_worker(queues=["balance", "balance.0"])

    def publish(client: BalanceClient, number: int) -> JobHandle:
        job = ("users.update_balance", {"user_id": 1, "amount_kopeks": 1, "idempotency_key": f"k{number}"})
        while True:
            try:
                return client.submit(job)
            except PublishFailed:
                continue

    # Jobs of the partition and, from a client that knows no partitions, of the queue beside it.
    with (
        BalanceClient(group.url, partitions=1, timeout_s=3) as by_partition,
        BalanceClient(group.url, timeout_s=3) as client,
    ):
        assert by_partition.users_upsert(user_id=1, idempotency_key="u").get(30).applied
        handles: list[JobHandle] = []
        for number in range(JOBS):
            if number == JOBS // 2:
                group.kill_primary()
            handles.append(publish((by_partition, client)[number % 2], number))
        # Replication is asynchronous: what a publisher has no outcome of after a while, it publishes again.
        deadline = monotonic() + PATIENCE_S
        handles = [each if answered(each, deadline) else publish(client, n) for n, each in enumerate(handles)]
        for handle in handles:
            assert handle.get(30).applied

    assert system.count("entries") == JOBS
    assert system.rows("select balance from accounts where kind = 'user'") == [(JOBS,)]
    assert [process.poll() for process in (worker, beat, flower)] == [None] * 3
    primary = group.client(group.primary())
    primary.delete("balance.io")
    wait_until("beat to tick", lambda: primary.llen("balance.io"))
    wait_until("Flower to see the worker", lambda: "money@balance" in flower_page(port, "workers?refresh=1"))
    wait_until("Flower to see the queue", lambda: '<tr id="balance">' in flower_page(port, "broker"))
    mistaken = look(group.sentinel_as_server)["broker.server"]
    assert (mistaken.level, mistaken.found) == (Level.FAILURE, "a Redis Sentinel")
    assert "master_name" in mistaken.action
    code, findings = doctor(system, "--wait", "3")
    assert findings["broker.sentinels"]["found"] == f"3 of 3 answer, the primary is 127.0.0.1:{group.primary()}"
    assert findings["broker.reachable"]["level"] == "ok"
    assert findings["results.reachable"]["level"] == "ok"
    assert findings["workers.balance.0"]["found"] == "money@balance"
    assert code == 1  # the group keeps nothing on disk
    said = json.dumps(findings) + "".join(map(system.log, ("money", "beat", "flower")))
    assert "secret" not in said.replace("rotate_secret", "")  # which is a job
    for name in ("money", "beat"):
        assert "Traceback" not in system.log(name), name
        assert system.log(name).count("broker.waiting") < MOST_LINES
