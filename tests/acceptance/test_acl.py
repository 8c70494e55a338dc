"""The users of docs/security.md: each does its work on Redis, on all queues, and is refused nothing."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis
from sqlalchemy import Engine

from balance_client import BalanceClient
from tests.acceptance.system import System, flower_page, wait_until
from tests.acceptance.test_doctor import doctor
from tests.acceptance.test_health_over_http import metrics
from tests.integration.events.made import address, made
from tests.integration.events.receivers import receiving
from tests.support.servers.volatile import VolatileValkey
from worker.event_stream.redis import RedisStream
from worker.local.ports import free_port
from worker.local.servers.embedded import EmbeddedValkey

PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
FOUND = re.search(r"<!-- tested: acl -->\n```\n(.*?)```", PAGE, re.DOTALL)
QUICK = {
    "BALANCE_PARTITIONS": "1",
    "BALANCE_VISIBILITY_TIMEOUT_S": "2",
    "BALANCE_BROKER_SOCKET_TIMEOUT_S": "1.5",
    "BALANCE_LOCK_TIMEOUT_MS": "500",
    "BALANCE_PARTITION_LEASE_S": "1",
}
NOT_NEEDED = {"client|setinfo"}  # redis-py says who it is, and does not mind being refused


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """One with the users of the page."""
    assert FOUND is not None
    with (
        VolatileValkey(tmp_path_factory.mktemp("valkey")) as server,
        redis.Redis.from_url(server.url) as admin,
    ):
        for line in FOUND[1].splitlines():
            _, *rules = line.split()
            admin.execute_command("ACL", "SETUSER", *rules)
        yield server


@pytest.fixture
def system(server: EmbeddedValkey, database_url: str, engine: Engine, tmp_path: Path) -> Iterator[System]:
    running = System(server.url, database_url, engine, "balance", tmp_path)
    running.environment |= QUICK
    yield running
    running.stop()


def test_everybody_can_work_and_is_refused_nothing(system: System, server: EmbeddedValkey) -> None:
    def at(user: str, number: int = 0) -> str:
        return f"redis://balance_{user}:SECRET@127.0.0.1:{server.port}/{number}"

    def url(user: str) -> dict[str, str]:
        return {"BALANCE_BROKER_URL": at(user)}

    apart = {"BALANCE_RESULT_URL": at("results_worker", 1)}
    read_apart = at("results_reader", 1)

    flower, port, metered = ["-m", "celery", "-A", "worker.app", "flower"], free_port(), free_port()
    system.start("flower", [*flower, f"--port={port}"], url("flower"))
    system.beat(**url("beat"))
    with redis.Redis.from_url(server.url, decode_responses=True) as admin:
        admin.lpush("balance", "garbage")
        system.io_worker(BALANCE_METRICS_PORT=str(metered), **url("worker"))
        killed = system.money_worker(queues=["balance", "balance.0"], **url("worker"))
        wait_until("the garbage to be parked", lambda: system.count("dead_letters") == 1)
        with BalanceClient(at("publisher")) as client:
            assert client.users_upsert(user_id=4, idempotency_key="first").get(30).applied
        with system.engine.begin() as holder:  # so that jobs are taken and not settled
            holder.exec_driver_sql("lock table jobs in access exclusive mode")
            with (
                BalanceClient(at("publisher"), result_url=read_apart, partitions=1) as by_partition,
                BalanceClient(at("publisher"), result_url=read_apart) as client,
            ):
                handles = [by_partition.users_upsert(user_id=1, idempotency_key="partition")]
                handles += [client.users_upsert(user_id=2, idempotency_key="queue")]
                held = ("unacked", "unacked.balance.0")
                wait_until("both to be taken", lambda: [admin.hlen(key) for key in held] == [1, 1])
                killed.kill()
                holder.rollback()
                system.money_worker("second", queues=["balance", "balance.0"], **url("worker"), **apart)
                assert all(handle.get(30).applied for handle in handles)
        wait_until("what waits to be measured", lambda: "balance_queue_oldest_seconds" in metrics(metered))
        _, findings = doctor(system, "--wait", "3", **url("operator"), **apart)
        assert "could not be examined" not in json.dumps(findings)
        assert findings["workers.balance.0"]["found"] == "second@balance"
        assert findings["beat.alive"]["level"] == "ok"
        with BalanceClient(at("operator"), result_url=read_apart) as client:  # what `balance-worker publish` is made of
            assert client.users_upsert(user_id=3, idempotency_key="by hand").get(30).applied
        wait_until("Flower to see the worker", lambda: "second@balance" in flower_page(port, "workers?refresh=1"))
        wait_until("Flower to see the queues", lambda: "balance.io" in flower_page(port, "broker"))
        refused = {(entry["username"], entry["object"]) for entry in admin.acl_log()}
        assert {(user, what) for user, what in refused if what not in NOT_NEEDED} == set()


def test_events_are_published_and_received_and_nothing_else_is_done(server: EmbeddedValkey, tmp_path: Path) -> None:
    def at(user: str) -> str:
        return f"redis://balance_{user}:SECRET@127.0.0.1:{server.port}/0"

    with redis.Redis.from_url(server.url, decode_responses=True) as admin:
        admin.acl_log_reset()
        admin.delete(EVENTS)  # of the workers of other tests
        with receiving("python", "redis_consumer", tmp_path / "log", "--url", at("events_reader")) as consumer:
            for number, user in enumerate(("worker", "events_writer")):
                with closing(RedisStream(address(at(user), EVENTS), 3600, 1000)) as stream:
                    stream.publish(made(number))
            wait_until("the events", lambda: consumer.numbers == [0, 1])
            wait_until("all to be acknowledged", lambda: admin.xpending(EVENTS, "example")["pending"] == 0)
            consumer.stop()
        assert {entry["object"] for entry in admin.acl_log()} - NOT_NEEDED == set()
        for typed in FORGED_EVENTS.split(";"):
            with (
                redis.Redis.from_url(at("events_reader")) as client,
                pytest.raises(redis.ResponseError, match="permiss"),
            ):
                client.execute_command(*[EVENTS if word == "V" else word for word in shlex.split(typed)])
        assert admin.xlen(EVENTS) == 2
        admin.delete(EVENTS)


EVENTS = "balance.events"
FORGED_EVENTS = """
XADD V * id 1; XTRIM V MAXLEN 0; XDEL V 1-1; DEL V; SET V x; RENAME V W; EXPIRE V 1; XSETID V 1-1;
XGROUP DESTROY V example; XGROUP SETID V example 0; XGROUP DELCONSUMER V example example-1; XGROUP CREATE balance g 0;
XREADGROUP GROUP example a STREAMS balance >; LPUSH balance x; EVAL "return 1" 0; PUBLISH c x; KEYS *; FLUSHALL
"""

VICTIM, MINE = "celery-task-meta-victim", "celery-task-meta-mine"
# Everything by which something could be written under the key V of another's result, told on its channel, or done to
# the server; as one would type it.
FORGERIES = """
SET V x; SET V x GET; SETNX V x; SETEX V 9 x; PSETEX V 9 x; MSET V x; MSETNX V x; GETSET V x; GETDEL V; GETEX V EX 1;
APPEND V x; SETRANGE V 0 x; SETBIT V 0 1; BITOP NOT V V; BITFIELD V SET u8 0 1; INCR V; INCRBYFLOAT V 1; DEL V;
UNLINK V; EXPIRE V 1; PEXPIREAT V 1; PERSIST V; MOVE V 1; SWAPDB 0 1; FLUSHDB; FLUSHALL; RENAME balance V; RENAME V M;
RENAMENX M V; COPY M V REPLACE; RESTORE V 0 dump REPLACE; DUMP V; MIGRATE h 1 V 0 1; SORT balance STORE V; LPUSH V x;
LPUSH celery-task-meta-not-yet x; RPUSH V x; LSET V 0 x; LMOVE balance V LEFT LEFT; RPOPLPUSH balance V;
BLMOVE balance V LEFT LEFT 1; HSET V x 1; SADD V 1; SUNIONSTORE V M; ZADD V 1 x; ZRANGESTORE V M 0 1; XADD V * a b;
PFADD V x; PFMERGE V M; GEOADD V 1 1 x; EVAL "return redis.call('set', KEYS[1], 'x')" 1 V;
EVAL "return redis.call('set', 'celery-task-meta-victim', 'x')" 0; EVALSHA 0000 1 V; EVAL_RO "return 1" 0; FCALL f 1 V;
FUNCTION LOAD x; SCRIPT LOAD "return 1"; MULTI; PUBLISH V x; SPUBLISH V x; CONFIG SET dir /;
ACL SETUSER balance_publisher +@all; ACL GETUSER default; CLIENT KILL TYPE normal; CLIENT TRACKING ON BCAST;
REPLICAOF h 1; SHUTDOWN; SAVE
"""
# By which it could be found which results there are, and what jobs wait; and the jobs be taken.
SPYING = """
KEYS *; SCAN 0; RANDOMKEY; DBSIZE; MONITOR; PSUBSCRIBE celery-task-meta-*; SSUBSCRIBE V; PUBSUB CHANNELS; MGET V;
STRLEN V; EXISTS V; TYPE V; OBJECT FREQ V; SUBSCRIBE 0.celery.pidbox; GET balance; LRANGE balance 0 -1; LLEN balance;
LPOP balance; RPOP balance; BLPOP balance 1; LREM balance 0 x; LTRIM balance 1 0; DEL balance; HGETALL unacked;
LPUSH balance.io x; LPUSH unacked x; INFO; SLOWLOG GET; LATENCY LATEST; MEMORY USAGE V; ROLE; PSYNC ? -1; SYNC
"""
ALLOWED = {"ping", "select", "lpush", "get", "subscribe", "unsubscribe"}


@pytest.mark.parametrize("user", ["publisher", "results_reader"])
def test_who_publishes_writes_no_result_and_finds_none(server: EmbeddedValkey, user: str) -> None:
    kept = {VICTIM: b"the truth", MINE: b"mine"}
    with redis.Redis.from_url(server.url) as admin:
        admin.mset(kept)
        admin.lpush("balance", "a job")
        for typed in f"{FORGERIES};{SPYING}".split(";"):
            command = [{"V": VICTIM, "M": MINE}.get(word, word) for word in shlex.split(typed)]
            with (
                redis.Redis(port=server.port, username=f"balance_{user}", password="SECRET") as client,
                pytest.raises(redis.ResponseError, match="permission"),
            ):
                client.execute_command(*command)
        found = {key: admin.get(key) for key in kept}
        assert (found, admin.lrange("balance", 0, -1)) == (kept, [b"a job"])
        allowed = {name.lstrip("+") for name in admin.acl_getuser(f"balance_{user}")["commands"]}
        assert allowed - {"-@all"} == ALLOWED - ({"lpush"} if user == "results_reader" else set())
        admin.delete("balance", *kept)
