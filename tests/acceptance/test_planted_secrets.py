"""Secrets are planted wherever one may be given, everything is started and broken, and nothing shows them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import redis
from psycopg import sql

from balance_client import BalanceClient
from tests.acceptance.system import System, wait_until
from tests.support.command import run

WORD = "Pl4nt3d"
"""Part of every secret."""
SIGNING = f"{WORD}-signing-secret-{'0' * 32}"
PRODUCERS = json.dumps({"billing": {"secrets": [SIGNING], "jobs": ["*"]}})
NOWHERE = "127.0.0.1:1"


def _with_password(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    host = f"{parts.hostname}:{parts.port}"
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{host}"))


@pytest.fixture
def planted(system: System, redis_url: str) -> Iterator[System]:
    """The system with a Redis user and a database user of its own, each with a planted password."""
    name = f"planted_{os.getpid()}"
    database_url = system.environment["BALANCE_DATABASE_URL"]
    plain = database_url.replace("+psycopg", "", 1)
    with redis.Redis.from_url(redis_url) as server, psycopg.connect(plain, autocommit=True) as database:
        server.execute_command("ACL", "SETUSER", name, "on", f">{WORD}-broker", "~*", "&*", "+@all")
        role = sql.Identifier(name)
        database.execute(
            sql.SQL("create role {} superuser login password {}").format(role, sql.Literal(f"{WORD}-rows"))
        )
        system.environment |= {
            "BALANCE_BROKER_URL": _with_password(redis_url, name, f"{WORD}-broker"),
            "BALANCE_DATABASE_URL": _with_password(database_url, name, f"{WORD}-rows"),
            "BALANCE_PRODUCERS": PRODUCERS,
            "BALANCE_FLOWER_BASIC_AUTH": f"admin:{WORD}-flower",
            "BALANCE_WEBHOOK_KEY": f"{WORD}-webhooks-and-as-much-as-it-needs",
            "BALANCE_WEBHOOK_KEY_FORMER": f"{WORD}-webhooks-before-this-one-was",
            "BALANCE_LOG_LEVEL": "debug",
        }
        yield system
        system.stop()
        server.execute_command("ACL", "DELUSER", name)
        database.execute(sql.SQL("drop role {}").format(role))


def test_no_planted_secret_is_shown_anywhere(planted: System, tmp_path: Path) -> None:
    seen: dict[str, str] = {}
    workers = {"money": planted.money_worker(), "io": planted.io_worker(), "beat": planted.beat()}

    # Events as Flower gets them, and what the workers answer about themselves.
    events: list[str] = []
    with planted.client.connection() as connection:
        receiver = planted.client.events.Receiver(connection, handlers={"*": lambda event: events.append(repr(event))})
        capture = receiver.itercapture(limit=None, timeout=30, wakeup=True)
        next(capture, None)
        with BalanceClient(planted.broker_url, "billing", queue=planted.queue, secret=SIGNING) as client:
            client.users_upsert(user_id=1, idempotency_key="u")
        planted.client.send_task("users.upsert", kwargs={"idempotency_key": "v", "user_id": 2}, queue=planted.queue)
        while not ("task-succeeded" in "".join(events) and "task-failed" in "".join(events)):
            next(capture)
    seen["events"] = "".join(events)
    inspect = planted.client.control.inspect(timeout=3, limit=2)  # money and I/O: without a limit each takes all of it
    for command in ("conf", "stats", "report", "active_queues", "registered", "clock"):
        answer = wait_until(f"the answer to {command}", getattr(inspect, command))
        assert len(answer) == 2
        seen[f"inspect {command}"] = json.dumps(answer, default=repr)
    seen["inspect conf with defaults"] = repr(inspect.conf(with_defaults=True))
    assert "broker_url" in seen["inspect conf"]
    for name, process in workers.items():
        seen[f"process list: {name}"] = Path(f"/proc/{process.pid}/cmdline").read_text()
    seen["dead letters"] = repr(planted.rows("select * from dead_letters"))

    # Commands that work, and commands that cannot.
    broken = _with_password(planted.broker_url, "nobody", f"{WORD}-wrong")
    database = planted.environment["BALANCE_DATABASE_URL"]
    nowhere = {
        "BALANCE_BROKER_URL": f"redis://u:{WORD}-url@{NOWHERE}/0",
        "BALANCE_DATABASE_URL": f"postgresql://u:{WORD}-url@{NOWHERE}/x",
    }
    publish = ["publish", "users.upsert", "--arg", "user_id=3", "--producer", "billing", "--wait", "0"]
    for arguments, changes in (
        (["config", "--json"], {}),
        (publish, {}),
        (publish, nowhere),
        (publish, {"BALANCE_BROKER_URL": broken}),
        (["verify"], nowhere),
        (["verify"], {"BALANCE_DATABASE_URL": database.replace(f"{WORD}-rows", f"{WORD}-wrong")}),
        (["migrate"], nowhere),
    ):
        done = run(*arguments, environment={**planted.environment, **changes}, timeout_s=90)
        assert done.stdout or done.stderr
        seen[f"{' '.join(arguments)} {sorted(changes)}"] = done.stdout + done.stderr

    # Workers that cannot work.
    serve = ["worker", "--pool=solo", f"--queues={planted.queue}"]
    planted.celery("no-broker", serve, {"BALANCE_BROKER_URL": nowhere["BALANCE_BROKER_URL"]})
    planted.celery("wrong-password", serve, {"BALANCE_BROKER_URL": broken})
    planted.celery("no-database", serve, {"BALANCE_DATABASE_URL": nowhere["BALANCE_DATABASE_URL"]})
    planted.celery("wrong-setting", serve, {"BALANCE_PRODUCERS": PRODUCERS[:-1]})
    workers["money"].terminate()
    workers["money"].wait(30)
    with BalanceClient(planted.broker_url, "billing", queue=planted.queue, secret=SIGNING) as client:
        client.users_upsert(user_id=4, idempotency_key="w")
    for name, words in (
        ("no-broker", "broker.waiting"),
        ("wrong-password", "assword"),
        ("no-database", "jobs.waiting"),
        ("wrong-setting", "is not JSON"),
    ):
        wait_until(f"{name} to complain", partial(_says, planted, name, words))
    planted.stop()
    seen |= {f"log: {path.name}": path.read_text(errors="replace") for path in tmp_path.glob("*.log")}

    assert len(seen) > 25
    shown = {where: text[max(0, text.find(WORD) - 200) :][:300] for where, text in seen.items() if WORD in text}
    assert not shown
    readable = Path(f"/proc/{os.getpid()}/environ").stat().st_mode
    assert readable & 0o077 == 0, "what processes are given is for their own user alone"


def _says(system: System, name: str, words: str) -> bool:
    return words in system.log(name)
