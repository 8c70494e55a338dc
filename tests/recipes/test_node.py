"""Publishers for Node and for the shell: published, answered, and told what went wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
from urllib.parse import urlsplit

import pytest

from tests.acceptance.system import System, wait_until
from tests.support.builders import done
from tests.support.distributions import ROOT
from tests.support.environments import IN_CI
from tests.support.servers.node import need_node

EXAMPLES = ROOT / "examples" / "publishers"
NOWHERE = "127.0.0.1:1"
PATIENCE_S = 60


def node(example: str, url: str, *words: str, fails: str = "") -> str:
    """`node example.mjs` with these words. `fails`: a part of what it says when it does not end well."""
    command = [need_node("examples/publishers/node"), f"{example}.mjs", "--url", url, *words]
    return ended(command, "node", {}, fails)


def ended(command: list[str], directory: str, environment: dict[str, str], fails: str = "") -> str:
    process = subprocess.run(
        command, cwd=EXAMPLES / directory, env={**os.environ, **environment}, capture_output=True, text=True,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert (process.returncode != 0) == bool(fails), process.stdout + process.stderr
    assert fails in process.stderr
    return process.stdout.strip()


def test_celery_node_publishes_by_way_of_redis(system: System) -> None:
    done(system.engine, "users.upsert", user_id=42)
    assert node("redis", system.broker_url, "--key", "early", "--wait", "0.1", fails="with the same key") == ""
    system.money_worker()
    first = node("redis", system.broker_url, "--key", "order-1")
    assert first == node("redis", system.broker_url, "--key", "order-1") == "insufficient_funds"
    wait_until("both jobs", lambda: system.count("jobs", "producer = 'shop'") == 2)
    node("redis", f"redis://{NOWHERE}", "--key", "k", fails="not published: connect ECONNREFUSED")


def test_amqplib_publishes_by_way_of_rabbitmq(system_on_rabbitmq: System) -> None:
    system = system_on_rabbitmq
    done(system.engine, "users.upsert", user_id=42)
    queue = ("--queue", system.queue)
    node("rabbitmq", system.broker_url, *queue, "--key", "early", fails="NO_ROUTE: no worker has made the queue")
    worker = system.money_worker()
    first = node("rabbitmq", system.broker_url, *queue, "--key", "order-1")
    assert first == node("rabbitmq", system.broker_url, *queue, "--key", "order-1") == "insufficient_funds"
    assert system.end("money", worker) == 0
    node("rabbitmq", system.broker_url, *queue, "--key", "late", "--wait", "0.1", fails="with the same key")
    system.money_worker("again")
    wait_until("the late job", lambda: system.count("jobs", "producer = 'shop'") == 2)
    assert "queue.classic" not in system.log("money")


def test_a_shell_publishes_with_redis_cli(system: System) -> None:
    if shutil.which("redis-cli") is None:
        missing = pytest.fail if IN_CI else pytest.skip
        missing("there is no redis-cli (apt-get install redis-tools)")
    done(system.engine, "users.upsert", user_id=42)
    job = '{"idempotency_key": "it\'s \\"7\\"", "producer": "shop", "user_id": 42, "amount_kopeks": 1500}'
    command = ["./publish.sh", "users.update_balance", job]
    url = urlsplit(system.broker_url)
    server = {"BALANCE_BROKER_URL": f"redis://{url.hostname}:{url.port}{url.path}"}
    assert ended(command, "shell", {**server, "REDISCLI_AUTH": str(url.password)}) == "published"
    ended(command, "shell", server, fails="not published: NOAUTH")
    ended(command, "shell", {"BALANCE_BROKER_URL": f"redis://{NOWHERE}"}, fails="Connection refused")
    system.money_worker()
    wait_until("the job", lambda: system.count("jobs", "producer = 'shop'") == 1)
    assert system.rows("select idempotency_key, status from jobs where producer = 'shop'") == [('it\'s "7"', "applied")]
