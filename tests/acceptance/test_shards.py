"""Shards from outside: two workers, each of a schema of its own, and jobs that come to either by every way there is."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from typing import Any, Literal

import pytest
import redis
from sqlalchemy import Engine, text

from balance_client import BalanceClient
from balance_client.publishing.confirmed import Publisher
from balance_client.publishing.job_message import job_message
from balance_client.publishing.links import RawMessage
from balance_client.routing import partition_queues
from models.contracts.wire.travel import FORWARDED
from models.domain.sharding.shard import Shard
from tests.acceptance.http.running import RunningDoor
from tests.acceptance.killpoints import KillPoint, assert_killed
from tests.acceptance.killpoints import start as start_victim
from tests.acceptance.system import System, wait_until
from tests.integration.cli.conftest import Cli
from tests.support.servers import forks
from tests.support.sharded import shards_of, users_of

COUNT, PARTITIONS = 2, 4
SECRET = "a secret that is long enough to be one"
PRODUCERS = json.dumps(
    {name: {"secrets": [secret], "jobs": ["*"]} for name, secret in (("billing", SECRET), ("default", SECRET[::-1]))}
)


class Sharded:
    """A system whose ledger is in two shards, of four partitions."""

    def __init__(self, system: System, engines: list[Engine]) -> None:
        self.system, self.engines = system, engines
        self.partitions = partition_queues(system.queue, PARTITIONS)
        system.environment |= {
            "BALANCE_PARTITIONS": str(PARTITIONS),
            "BALANCE_PARTITION_LEASE_S": "1.5",
            "BALANCE_PRODUCERS": PRODUCERS,
            "BALANCE_LOG_FORMAT": "json",
        }

    def queues(self, number: int) -> list[str]:
        return [self.system.queue, *self.partitions[number::COUNT]]

    def worker(self, number: int, **settings: str) -> Any:
        given = {"BALANCE_SHARD": f"{number}/{COUNT}", **settings}
        return self.system.money_worker(f"shard{number}", queues=self.queues(number), **given)

    def client(self, partitions: int = PARTITIONS) -> BalanceClient:
        return BalanceClient(
            self.system.broker_url, "billing", queue=self.system.queue, partitions=partitions, secret=SECRET
        )

    def publish(self, queue: str, jobs: list[tuple[str, dict[str, Any]]], **headers: Any) -> None:
        """To a queue, whichever it ought to be."""
        messages = [job_message(job, "billing", want_result=False, secret=SECRET) for job in jobs]
        publisher = Publisher(self.system.broker_url, self.system.queue, "", 10.0, PARTITIONS)
        try:
            if headers:
                publisher.send([(queue, _raw(each, headers)) for each in messages])
            else:
                publisher.send([(queue, each) for each in messages])
        finally:
            publisher.close()

    def rows(self, number: int, query: str) -> list[Any]:
        with self.engines[number].connect() as connection:
            return [*connection.execute(text(query))]

    def wait_for(self, number: int, keys: set[str]) -> None:
        """Until a shard has settled these."""
        wait_until(f"shard {number} to have its own", lambda: set(self.keys(number)) >= keys)

    def keys(self, number: int) -> list[str]:
        """Of the jobs that a shard has settled, in their order."""
        return [key for (key,) in self.rows(number, "select idempotency_key from jobs order by id")]


def _raw(message: Any, headers: dict[str, Any]) -> RawMessage:
    body = message.body()
    properties = {"correlation_id": message.task_id}
    return RawMessage(body, {**message.headers(body), **headers}, "application/json", "utf-8", properties)


@pytest.fixture
def sharded(any_system: System, database_url: str) -> Iterator[Sharded]:
    with shards_of(database_url, COUNT) as engines:
        yield Sharded(any_system, engines)
        any_system.stop()


def _upsert(user: int) -> tuple[str, dict[str, Any]]:
    return "users.upsert", {"idempotency_key": f"u{user}", "user_id": user}


def _add(user: int, number: int) -> tuple[str, dict[str, Any]]:
    return (
        "users.update_balance",
        {"idempotency_key": f"{user}/{number}", "user_id": user, "amount_kopeks": number},
    )


def test_jobs_are_applied_once_by_their_own_shard_whichever_queue_they_come_to(sharded: Sharded) -> None:
    for number in range(COUNT):
        sharded.worker(number)
    users = [users_of(Shard(number, COUNT), 4) for number in range(COUNT)]
    every = [user for own in users for user in own]
    with sharded.client(partitions=0) as unaware, sharded.client() as aware:
        # To the main queue, whose workers take turns: the answer comes back by whichever shard it is from.
        for handle in unaware.submit_many([_upsert(user) for user in every]):
            assert handle.get(timeout_s=60).applied
        handles = aware.submit_many([_add(user, 1) for user in every])
        assert all(handle.get(timeout_s=60).applied for handle in handles)
    for queue in (sharded.system.queue, *sharded.partitions):  # each job five times, four of them astray or again
        sharded.publish(queue, [_add(user, number) for number in range(2, 30) for user in every])
    for number, own in enumerate(users):
        wanted = {f"u{user}" for user in own} | {f"{user}/{n}" for user in own for n in range(1, 30)}
        sharded.wait_for(number, wanted)
        assert sorted(sharded.keys(number)) == sorted(wanted), "each once, and nobody else's"
        assert sharded.rows(number, "select count(*) from dead_letters") == [(0,)]
        balances = sharded.rows(number, "select ref, balance from accounts order by ref")
        assert balances == sorted((str(user), sum(range(1, 30))) for user in own)
    assert sharded.system.count("jobs") == 0, "nothing has come to the schema that is in no shard"


def test_telegram_ids_lead_to_their_users_and_a_key_stands_for_one_job_in_all_shards(sharded: Sharded) -> None:
    """Whichever of the two workers takes a job from the main queue."""
    for number in range(COUNT):
        sharded.worker(number)
    users = [users_of(Shard(number, COUNT), 1)[0] for number in range(COUNT)]
    with sharded.client(partitions=0) as client:
        for user in users:
            named = {"idempotency_key": f"u{user}", "user_id": user, "telegram_id": 1000 + user}
            assert client.submit(("users.upsert", named)).get(timeout_s=60).applied
        told = [
            ("users.update_balance", {"idempotency_key": f"{user}/{n}", "telegram_id": 1000 + user, "amount_kopeks": n})
            for n in range(1, 31)
            for user in users
        ]
        assert all(handle.get(timeout_s=60).applied for handle in client.submit_many(told))
        nobody = {"idempotency_key": "nobody", "telegram_id": 999, "amount_kopeks": 1}
        assert client.submit(("users.update_balance", nobody)).get(timeout_s=60).code == "user_not_found"
        taken = {"idempotency_key": "taken", "user_id": users[1], "telegram_id": 1000 + users[0]}
        assert client.submit(("users.upsert", taken)).get(timeout_s=60).code == "telegram_id_taken"
        for first, second in (users, users[::-1]):
            key = {"idempotency_key": f"of {first}", "amount_kopeks": 1}
            assert client.submit(("users.update_balance", {**key, "user_id": first})).get(timeout_s=60).applied
            answer = client.submit(("users.update_balance", {**key, "user_id": second})).get(timeout_s=60)
            assert answer.code == "idempotency_conflict"
    for number, user in enumerate(users):
        assert sharded.rows(number, "select balance from accounts") == [(sum(range(1, 31)) + 1,)], user
        assert sharded.rows(number, "select count(*) from dead_letters") == [(0,)]


def test_what_is_sent_on_keeps_its_order_and_what_it_is(sharded: Sharded) -> None:
    [user] = users_of(Shard(1, COUNT), 1)
    sharded.publish(sharded.partitions[0], [_upsert(user), *(_add(user, number) for number in range(1, 201))])
    sharded.worker(0)
    sharded.worker(1)
    wait_until("all of them", lambda: len(sharded.keys(1)) == 201)
    assert sharded.keys(1) == [f"u{user}", *(f"{user}/{number}" for number in range(1, 201))]
    assert {row.producer for row in sharded.rows(1, "select distinct producer from jobs")} == {"billing"}
    assert sharded.keys(0) == []
    wait_until("a line of it", lambda: "jobs.forwarded" in sharded.system.log("shard0"))
    assert sharded.system.log("shard0").count("jobs.forwarded") <= 2, "not one a batch"


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_on_either_side_of_the_confirmation_nothing_is_lost_or_doubled(
    sharded: Sharded, when: Literal["before", "after"]
) -> None:
    point = KillPoint(Publisher.send_once, when)
    [user] = users_of(Shard(1, COUNT), 1)
    sharded.publish(sharded.partitions[0], [_upsert(user), *(_add(user, number) for number in range(1, 31))])
    system = sharded.system
    log = system.logs / "victim.log"
    command = [
        "worker", f"--hostname=victim@{system.queue}", "--without-mingle", "--pool=solo",
        f"--queues={','.join(sharded.queues(0))}",
    ]  # fmt: skip
    environment = {**system.environment, "BALANCE_SHARD": f"0/{COUNT}"}
    victim = start_victim(command, environment, log, point)
    try:
        assert_killed(victim, point, log)
    finally:
        forks.kill(victim)
    sharded.worker(0)
    sharded.worker(1)
    wait_until("all of them", lambda: len(sharded.keys(1)) == 31)
    wait_until("what came again to be sent on again", lambda: "jobs.forwarded" in system.log("shard0"))
    assert sharded.keys(1) == [f"u{user}", *(f"{user}/{number}" for number in range(1, 31))]
    assert sharded.rows(1, "select balance from accounts") == [(sum(range(1, 31)),)]


def test_what_comes_in_circles_is_parked_and_can_be_replayed(sharded: Sharded, database_url: str) -> None:
    [user] = users_of(Shard(1, COUNT), 1)
    sharded.worker(0)
    sharded.publish(sharded.partitions[0], [_upsert(user)], **{FORWARDED: 3})
    wait_until("a letter", lambda: sharded.rows(0, "select id from dead_letters"))
    [(reason, error)] = sharded.rows(0, "select reason, error from dead_letters")
    assert reason == "misrouted"
    assert "shard 0/2 all the same, though it is of shard 1/2" in error
    assert "BALANCE_PARTITIONS" in error
    sharded.worker(1)
    names = ("BROKER_URL", "DATABASE_URL", "QUEUE", "IO_QUEUE", "PARTITIONS", "PRODUCERS")
    cli = Cli({name.lower(): sharded.system.environment[f"BALANCE_{name}"] for name in names} | {"shard": "0/2"})
    cli.text("dead-letters", "replay", "--all", "--yes")
    wait_until("it to be applied", lambda: sharded.keys(1) == [f"u{user}"])
    assert sharded.keys(0) == []


def test_a_door_takes_jobs_of_all_shards_and_reads_its_own(sharded: Sharded) -> None:
    for number in range(COUNT):
        sharded.worker(number)
    [own], [other] = (users_of(Shard(number, COUNT), 1) for number in range(COUNT))
    door = RunningDoor(sharded.system, BALANCE_SHARD=f"0/{COUNT}")
    for user in (own, other):
        made = door.post("/jobs/users.upsert", {"user_id": user}, key=f"u{user}")
        assert (made.status_code, made.json()["status"]) == (200, "applied"), made.text
    assert [sharded.keys(number) for number in range(COUNT)] == [[f"u{own}"], [f"u{other}"]]
    assert door.get(f"/users/{own}").json()["id"] == own
    astray = door.get(f"/users/{other}")
    assert astray.status_code == 421
    assert "in shard 1/2; this door reads shard 0/2: ask a door of that shard" in astray.text
    assert door.get(f"/users/{users_of(Shard(0, COUNT), 2)[1]}").status_code == 404


def test_a_worker_takes_from_no_partition_of_another_shard(sharded: Sharded) -> None:
    process = sharded.system.celery(
        "astray",
        ["worker", f"--hostname=astray@{sharded.system.queue}", f"--queues={sharded.partitions[1]}", "--pool=solo"],
        {"BALANCE_SHARD": f"0/{COUNT}"},
    )
    assert process.wait(60) != 0
    assert sharded.partitions[1] in sharded.system.log("astray")


def test_a_broker_that_is_away_holds_up_its_own_jobs_alone(sharded: Sharded, database_url: str) -> None:
    """Jobs of shard 1 are held; those of shard 0 go on; and they go where they belong once its broker is there."""
    own, [other] = users_of(Shard(0, COUNT), 3), users_of(Shard(1, COUNT), 1)
    away = "redis://127.0.0.1:1/0"
    here = sharded.system.broker_url
    brokers = json.dumps({"0": here, "1": away, "2": here, "3": away})
    worker = sharded.worker(0, BALANCE_BROKERS=brokers)
    sharded.publish(sharded.system.queue, [_upsert(other)])
    wait_until("that it cannot be sent on", lambda: "jobs.not_forwarded" in sharded.system.log("shard0"))
    sharded.publish(sharded.system.queue, [_upsert(user) for user in own])
    wait_until("what is its own", lambda: len(sharded.keys(0)) == len(own))
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 0
    sharded.worker(1)
    wait_until("the other one", lambda: sharded.keys(1) == [f"u{other}"], timeout_s=90)


def test_the_client_knows_brokers_by_partition(sharded: Sharded, redis_url: str) -> None:
    """Each shard with its own broker; what names no account is sent to the main one."""
    system = sharded.system
    server, _, database = redis_url.rpartition("/")
    elsewhere = f"{server}/{(int(database) + 30) % 60}"  # no other test runs beside this one
    with redis.Redis.from_url(elsewhere) as emptied:
        emptied.flushdb()
    brokers = {"0": system.broker_url, "1": elsewhere, "2": system.broker_url, "3": elsewhere}
    sharded.worker(0, BALANCE_BROKERS=json.dumps(brokers))
    users = [users_of(Shard(number, COUNT), 3) for number in range(COUNT)]
    client = BalanceClient(
        system.broker_url, "billing", queue=system.queue, partitions=PARTITIONS, brokers=brokers, secret=SECRET
    )
    with client:
        handles = client.submit_many([_upsert(user) for own in users for user in own])
        assert {handle.get(timeout_s=60).applied for handle in handles[:3]} == {True}
        assert [sharded.keys(1), len(sharded.keys(0))] == [[], 3]
        node = f"shard1@{system.queue}"
        system.celery(
            "shard1",
            [
                "worker",
                f"--hostname={node}",
                "--without-mingle",
                "--pool=solo",
                f"--queues={','.join(sharded.queues(1))}",
            ],
            {"BALANCE_SHARD": f"1/{COUNT}", "BALANCE_BROKER_URL": elsewhere, "BALANCE_BROKERS": json.dumps(brokers)},
        )
        assert {handle.get(timeout_s=60).applied for handle in handles[3:]} == {True}
    # A publisher that knows nothing of it leaves them at the main one, from where they are sent on to the other broker.
    with sharded.client(partitions=0) as unaware:
        unaware.submit_many([_add(user, 1) for own in users for user in own], want_result=False)
    for number, own in enumerate(users):
        sharded.wait_for(number, {f"u{user}" for user in own} | {f"{user}/1" for user in own})
        assert len(sharded.keys(number)) == 6
