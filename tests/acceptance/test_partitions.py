"""Partitions from outside: jobs of an account are applied in the order of publishing, whatever happens to consumers."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from kombu import Connection
from sqlalchemy import Engine, text

from balance_client import BalanceClient
from balance_client.routing import partition_queues
from tests.acceptance.system import Process, System, wait_until
from tests.support.servers import servers
from tests.support.servers.rabbitmq_node import RabbitMQNode, need_rabbitmq_programs

PARTITIONS = 3
ACCOUNTS = range(1, 7)
NUMBERS = range(1, 61)  # an account's jobs, and the amounts of their entries
GATE = 30  # jobs with this number wait for the gate
BATCH = 7
TAKEOVER_S = 20

_GATE = f"""
create function wait_at_the_gate() returns trigger language plpgsql as $$
begin perform pg_advisory_xact_lock_shared(1); return new; end $$;
create trigger gate before insert on entries for each row when (new.amount = {GATE})
execute function wait_at_the_gate();
"""


class Partitioned:
    """A system with partitions, where an account's job number GATE waits until the gate is open."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.partitions = partition_queues(system.queue, PARTITIONS)
        system.environment |= {
            "BALANCE_PARTITIONS": str(PARTITIONS),
            "BALANCE_PARTITION_LEASE_S": "1.5",
            "BALANCE_BATCH_LIMIT": str(BATCH),
            "BALANCE_LOG_FORMAT": "json",
        }
        with system.engine.begin() as connection:
            connection.execute(text(_GATE))

    def worker(self, name: str, **settings: str) -> Process:
        """A worker told to serve the main queue and all partitions."""
        return self.system.money_worker(name, queues=[self.system.queue, *self.partitions], **settings)

    def client(self) -> BalanceClient:
        return BalanceClient(self.system.broker_url, queue=self.system.queue, partitions=PARTITIONS)

    def open_accounts(self) -> None:
        with self.client() as client:
            handles = client.submit_many(
                [("users.upsert", {"idempotency_key": f"u{user}", "user_id": user}) for user in ACCOUNTS]
            )
            for handle in handles:
                handle.get(timeout_s=TAKEOVER_S)

    def publish(self, client: BalanceClient, numbers: range) -> None:
        """Each account's numbered jobs, the accounts taking turns."""
        client.submit_many(
            [
                (
                    "users.update_balance",
                    {"idempotency_key": f"{user}/{number}", "user_id": user, "amount_kopeks": number},
                )
                for number in numbers
                for user in ACCOUNTS
            ],
            want_result=False,
        )

    @contextlib.contextmanager
    def closed_gate(self) -> Iterator[None]:
        with self.system.engine.connect() as connection:
            connection.execute(text("select pg_advisory_lock(1)"))
            try:
                yield
            finally:
                connection.execute(text("select pg_advisory_unlock(1)"))

    def at_the_gate(self) -> int:
        """How many transactions wait there."""
        query = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        return int(self.system.rows(f"{query} and database = (select oid from pg_database where datname = "
                                    "current_database())")[0][0])  # fmt: skip

    def wait_for(self, numbers: range) -> None:
        count = len(ACCOUNTS) * len(numbers)
        wait_until(f"{count} entries", lambda: self.system.count("entries") == count, TAKEOVER_S)

    def assert_in_order(self, numbers: range) -> None:
        for user in ACCOUNTS:
            entries = self.system.rows(
                "select amount from entries join accounts on accounts.id = account_id "
                "where ref = :ref order by entries.seq",
                ref=str(user),
            )
            assert [amount for (amount,) in entries] == list(numbers), f"user {user}"

    def events(self, name: str, event: str) -> list[dict[str, Any]]:
        """What a worker has logged of this kind."""
        lines = [json.loads(line) for line in self.system.log(name).splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    def applied(self, name: str) -> int:
        """How many jobs were first applied by this worker."""
        return sum(event["applied"] for event in self.events(name, "jobs.settled"))


@pytest.fixture
def partitioned(any_system: System) -> Iterator[Partitioned]:
    """Partitions on each broker."""
    made = Partitioned(any_system)
    yield made
    any_system.stop()
    if any_system.broker_url.startswith("amqp"):
        with Connection(any_system.broker_url) as connection:
            channel: Any = connection.channel()
            for queue in (any_system.queue, *made.partitions):
                channel.queue_delete(queue)


def test_order_holds_when_the_active_consumer_is_killed_in_the_middle(partitioned: Partitioned) -> None:
    first = partitioned.worker("first")
    partitioned.open_accounts()
    partitioned.worker("second")
    with partitioned.client() as client, partitioned.closed_gate():
        partitioned.publish(client, NUMBERS)
        wait_until("a transaction at the gate", partitioned.at_the_gate)
        assert not partitioned.events("second", "jobs.settled"), "one consumer a partition: this one stands by"
        first.kill()
        first.wait()
    partitioned.wait_for(NUMBERS)
    partitioned.assert_in_order(NUMBERS)
    assert partitioned.applied("second") > 0
    # Publishers that know no partitions use the main queue, which the same worker serves.
    assert partitioned.system.ask("users.update_balance", idempotency_key="door", user_id=1, amount_kopeks=7)["entry"]


class ImpatientNode(RabbitMQNode):
    """A node that gives up a client which is silent for a few seconds."""

    settings = ("heartbeat = 2",)


@pytest.fixture
def impatient(database_url: str, engine: Engine, tmp_path: Path) -> Iterator[Partitioned]:
    """Partitions on a RabbitMQ of the test's own."""
    need_rabbitmq_programs()
    with servers.server_directory() as directory:
        node = ImpatientNode(directory)
        system: System | None = None
        try:
            node.start()
            system = System(node.url, database_url, engine, "balance", tmp_path)
            yield Partitioned(system)
        finally:
            if system is not None:
                system.stop()
            node.stop()


def test_a_consumer_paused_past_its_heartbeat_spoils_no_order_on_rabbitmq(impatient: Partitioned) -> None:
    first = impatient.worker("first", BALANCE_LOCK_TIMEOUT_MS="300")
    impatient.open_accounts()
    impatient.worker("second", BALANCE_LOCK_TIMEOUT_MS="300")
    more = range(NUMBERS.stop, NUMBERS.stop + 10)
    with impatient.client() as client:
        with impatient.closed_gate():
            impatient.publish(client, NUMBERS)
            wait_until("a transaction at the gate", impatient.at_the_gate)
            assert not impatient.events("second", "jobs.settled"), "one consumer a partition: this one stands by"
            first.send_signal(signal.SIGSTOP)
        wait_until("the other to take over", lambda: impatient.applied("second") > 0, TAKEOVER_S)
        first.send_signal(signal.SIGCONT)
        impatient.wait_for(NUMBERS)
        impatient.publish(client, more)
        impatient.wait_for(range(NUMBERS.start, more.stop))
    impatient.assert_in_order(range(NUMBERS.start, more.stop))
    assert first.poll() is None, impatient.system.log("first")[-2000:]


# --- leases, on Redis -----------------------------------------------------------------------------------------------


@pytest.fixture
def leased(system: System) -> Partitioned:
    """Partitions on Redis."""
    return Partitioned(system)


def _holders(partitioned: Partitioned) -> set[str]:
    """The names of the workers that hold leases."""
    with redis.Redis.from_url(partitioned.system.broker_url) as server:
        tokens = server.mget([f"balance.lease.{partition}" for partition in partitioned.partitions])
    return {token.decode().partition("@")[0] if token else "nobody" for token in tokens}


@pytest.mark.parametrize("in_transaction", [True, False], ids=["in a transaction", "between transactions"])
def test_a_consumer_paused_past_its_lease_spoils_nothing_when_it_wakes(
    leased: Partitioned, in_transaction: bool
) -> None:
    # Without a transaction: PostgreSQL has ended the one that waited at the gate, and nothing of it is left.
    patience = {"BALANCE_LOCK_TIMEOUT_MS": "20000", "BALANCE_VISIBILITY_TIMEOUT_S": "40"}
    first = leased.worker("first", **(patience if in_transaction else {"BALANCE_LOCK_TIMEOUT_MS": "300"}))
    leased.open_accounts()
    leased.worker("second", BALANCE_LOCK_TIMEOUT_MS="300")
    with leased.client() as client:
        with leased.closed_gate():
            leased.publish(client, NUMBERS)
            wait_until("a transaction at the gate", leased.at_the_gate)
            assert _holders(leased) == {"first"}
            first.send_signal(signal.SIGSTOP)
            applied_before = leased.applied("first")
            wait_until("another holder", lambda: _holders(leased) == {"second"}, TAKEOVER_S)
        if not in_transaction:
            leased.wait_for(NUMBERS)
        first.send_signal(signal.SIGCONT)
        wait_until(
            "the loss to be noticed", lambda: len(leased.events("first", "partition.lost")) == PARTITIONS, TAKEOVER_S
        )
        leased.wait_for(NUMBERS)
        first_of_all = leased.applied("first")
        more = range(NUMBERS.stop, NUMBERS.stop + 10)
        leased.publish(client, more)
        leased.wait_for(range(NUMBERS.start, more.stop))
    leased.assert_in_order(range(NUMBERS.start, more.stop))
    assert _holders(leased) == {"second"}
    assert leased.applied("first") == first_of_all, "it takes nothing from a partition that it has lost"
    # What it held when it was paused is all that it may still have applied.
    assert first_of_all - applied_before <= (BATCH * PARTITIONS if in_transaction else 0)


def test_a_worker_that_is_stopped_gives_up_its_partitions_at_once(leased: Partitioned) -> None:
    patient = {"BALANCE_PARTITION_LEASE_S": "600"}
    first = leased.worker("first", **patient)
    leased.open_accounts()
    leased.worker("second", **patient)
    with leased.client() as client:
        leased.publish(client, NUMBERS)
        wait_until("some entries", lambda: leased.system.count("entries") > 0)
        first.terminate()
        first.wait(30)
    leased.wait_for(NUMBERS)
    leased.assert_in_order(NUMBERS)
    assert _holders(leased) == {"second"}


def test_after_a_lost_connection_the_holder_goes_on_in_order(leased: Partitioned) -> None:
    # Nobody else could hold the leases for ten minutes: it must know its own again.
    leased.worker("first", BALANCE_PARTITION_LEASE_S="600", BALANCE_LOCK_TIMEOUT_MS="300")
    leased.open_accounts()
    with leased.client() as client, redis.Redis.from_url(leased.system.broker_url) as server:
        with leased.closed_gate():
            leased.publish(client, NUMBERS)
            wait_until("a batch to wait", lambda: leased.events("first", "jobs.waiting"))
            # Not those of other databases: they are in pools of this process, for tests to come.
            ours = server.connection_pool.connection_kwargs["db"]
            for each in server.client_list(_type="normal"):
                if int(each["db"]) == ours:
                    server.client_kill_filter(_id=each["id"], skipme=True)
            wait_until(
                "new leases", lambda: len(leased.events("first", "partition.acquired")) == 2 * PARTITIONS, TAKEOVER_S
            )
        leased.wait_for(NUMBERS)
    leased.assert_in_order(NUMBERS)


def test_partitions_are_added_and_taken_away_by_remote_control(leased: Partitioned) -> None:
    leased.system.money_worker("first")  # the main queue alone
    control = leased.system.client.control
    for partition in leased.partitions:
        control.add_consumer(partition)
    wait_until("all partitions", lambda: _holders(leased) == {"first"})
    leased.open_accounts()
    for partition in leased.partitions:
        control.cancel_consumer(partition)
    wait_until("no partition", lambda: _holders(leased) == {"nobody"})
