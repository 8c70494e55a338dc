"""What the doctor says of a Redis that cannot be used, or not be looked at: findings with what to do."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kombu
import pytest
import redis

from tests.support.command import run
from tests.support.servers.volatile import VolatileValkey
from worker.brokers.redis.channel import Transport
from worker.doctor.brokers import redis_server
from worker.doctor.finding import Finding, Level, ok
from worker.doctor.results import examine_results
from worker.doctor.steps import examined
from worker.local.servers.embedded import EmbeddedValkey
from worker.settings.settings import Settings

Findings = dict[str, Finding]


class ClusterNode(VolatileValkey):
    """A Valkey in cluster mode, with all slots."""

    def _config(self) -> list[str]:
        lines = [line for line in super()._config() if not line.startswith("databases")]
        return [*lines, "cluster-enabled yes", "cluster-require-full-coverage no"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    with VolatileValkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def admin(server: EmbeddedValkey) -> Iterator[Any]:
    """The server's client; afterwards it is a primary without users again."""
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        yield client
        client.replicaof("NO", "ONE")
        client.acl_deluser("narrow")
        client.config_set("maxmemory", 0)
        client.config_set("min-replicas-to-write", 0)


def look(url: str) -> Findings:
    """The findings of broker and result backend by their checks."""
    settings = Settings(broker_url=url)
    with kombu.Connection(url, transport=Transport) as connection:
        findings = [*redis_server.examine(connection.default_channel, settings), examine_results(settings)]
    for finding in findings:
        assert finding.level is Level.OK or finding.action
    return {finding.check: finding for finding in findings}


def as_narrow(server: EmbeddedValkey, admin: Any, *rules: str) -> str:
    admin.execute_command("ACL", "SETUSER", "narrow", "on", ">pw", "~*", "&*", *rules)
    return f"redis://narrow:pw@127.0.0.1:{server.port}/0"


def test_a_user_who_may_not_look(server: EmbeddedValkey, admin: Any) -> None:
    findings = look(as_narrow(server, admin, "+@all", "-@dangerous"))
    assert findings["broker.server"].level is Level.WARNING
    assert "NoPermissionError" in findings["broker.server"].found
    assert "docs/security.md" in findings["broker.server"].action
    assert findings["broker.writable"].level is Level.OK
    assert findings["broker.backlog"].level is Level.OK


def test_a_user_who_may_hardly_do_anything(server: EmbeddedValkey, admin: Any) -> None:
    findings = look(as_narrow(server, admin, "-@all", "+ping", "+select", "+info", "+client|setinfo"))
    assert findings["broker.eviction"].level is Level.OK
    refused = {"broker.writable", "broker.database", "broker.clock", "broker.backlog", "results.reachable"}
    assert {check for check, each in findings.items() if "NoPermissionError" in each.found} == refused


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda admin: admin.replicaof("127.0.0.1", 1), "ReadOnlyError"),
        (lambda admin: admin.config_set("min-replicas-to-write", 1), "NOREPLICAS"),
        (lambda admin: admin.config_set("maxmemory", 1), "OutOfMemoryError"),
    ],
    ids=["a replica", "a primary that lacks replicas", "a full one"],
)
def test_a_server_that_takes_no_writes(
    server: EmbeddedValkey, admin: Any, break_it: Callable[[Any], None], said: str
) -> None:
    break_it(admin)
    findings = look(server.url)
    assert findings["broker.writable"].level is Level.FAILURE
    assert said in findings["broker.writable"].found
    assert findings["results.reachable"].level is Level.WARNING
    assert (findings["broker.primary"].level is Level.FAILURE) == (said == "ReadOnlyError")


def test_a_cluster_is_no_server_for_jobs(tmp_path: Path) -> None:
    with ClusterNode(tmp_path) as node:
        with redis.Redis.from_url(node.url) as client:
            client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        finding = look(node.url)["broker.server"]
        assert (finding.level, finding.found) == (Level.FAILURE, "a Redis Cluster")
        assert "Redis Sentinel" in finding.action
        said = doctor(node.url)
        assert said["broker.server"]["found"] == "a Redis Cluster"
        assert not any(check.startswith("worker") for check in said), "they cannot be asked through it"


def doctor(broker_url: str) -> dict[str, dict[str, str]]:
    environment = {
        **os.environ, "BALANCE_BROKER_URL": broker_url, "BALANCE_DATABASE_URL": "postgresql://127.0.0.1:1/none",
    }  # fmt: skip
    done = run("doctor", "--json", "--wait", "0.1", environment=environment)
    assert done.returncode == 1, done.stderr
    return {finding["check"]: finding for finding in json.loads(done.stdout)["findings"]}


def test_a_step_that_breaks_is_a_finding_and_the_others_are_made() -> None:
    def half() -> Iterator[Finding]:
        yield ok("second.half", "made")
        raise RuntimeError("redis://:hunter2@h/0 said\nthis and that")

    def broken() -> Finding:
        raise KeyError("maxmemory_policy")

    found = [*examined(("first", broken), ("second", half), ("third", lambda: ok("third", "made")))]
    assert [finding.check for finding in found] == ["first", "second.half", "second", "third"]
    assert [finding.level for finding in found] == [Level.FAILURE, Level.OK, Level.FAILURE, Level.OK]
    assert found[0].found == "could not be examined: KeyError: 'maxmemory_policy'"
    assert found[2].found == "could not be examined: RuntimeError: redis://:***@h/0 said"
