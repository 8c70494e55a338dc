"""A partition's channel: who holds no lease takes nothing and puts nothing back; who claims it starts in order."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import kombu
import pytest
import redis

from tests.integration.transport.brokers import Broker, Consumption, abandon, consuming, queue
from worker.brokers.redis.lua import CLAIM, FENCED, RELEASE, RENEW_LEASES
from worker.brokers.redis.partitions.channel import PartitionChannel, PartitionKeys

PARTITION: Final = "jobs.0"
LEASE_MS: Final = 600_000


class Partition(Consumption):
    """A consumer of the partition; `lost` counts how often it was told that its lease is not its own."""

    lost = 0

    def on_lost(self) -> None:
        self.lost += 1


@contextmanager
def control(broker: Broker) -> Iterator[Any]:
    with broker.connect() as connection:
        yield connection.default_channel


def run(broker: Broker, script: str, keys: list[str], arguments: list[Any]) -> Any:
    with control(broker) as channel, channel.conn_or_acquire() as client:
        return channel.run(script, keys, arguments, client)


def claim(broker: Broker, token: str, before: str = "") -> int:
    with control(broker) as channel, channel.conn_or_acquire() as client:
        keys = PartitionKeys.of(PARTITION, channel)
        arguments = [token, LEASE_MS, before, keys.frame]
        return int(channel.run(CLAIM, [keys.lease, keys.unacked, keys.index, keys.queue], arguments, client))


@contextmanager
def holding(broker: Broker, token: str, prefetch: int = 0) -> Iterator[Partition]:
    """A consumer with this token, whether or not it holds the lease."""
    with broker.connect(visibility_timeout=3600) as connection:
        partition = Partition(connection, None)
        keys = PartitionKeys.of(PARTITION, connection.default_channel)
        partition.channel = PartitionChannel(connection.connection, keys, token, partition.on_lost)
        partition.channel.basic_qos(0, prefetch, False)

        def receive(body: Any, message: Any) -> None:
            partition.bodies.append(body["job"])
            partition.messages.append(message)

        kombu.Consumer(partition.channel, [queue(PARTITION)], callbacks=[receive], accept=["json"]).consume()
        yield partition


def records(broker: Broker) -> int:
    return int(broker.client.hlen(f"{broker.prefix}unacked.{PARTITION}"))


def test_the_holder_takes_and_acknowledges(broker: Broker) -> None:
    broker.publish(*range(5), to=PARTITION)
    assert claim(broker, "ours") == 0
    with holding(broker, "ours", prefetch=3) as partition:
        assert partition.drain(3) == [0, 1, 2]
        assert (records(broker), broker.unacked()) == (3, [])
        partition.ack()
        assert partition.drain(2) == [3, 4]
    assert (records(broker), partition.lost) == (0, 0)
    assert broker.waiting(PARTITION) == [3, 4], "closing put back what was not acknowledged"


@pytest.mark.parametrize("holder", ["theirs", None])
def test_without_the_lease_nothing_is_taken(broker: Broker, holder: str | None) -> None:
    broker.publish(*range(3), to=PARTITION)
    if holder is not None:
        claim(broker, holder)
    with holding(broker, "ours") as partition:
        partition.turn()
        assert partition.lost > 0
        assert partition.bodies == []
    assert (broker.waiting(PARTITION), records(broker)) == ([0, 1, 2], 0)


def test_a_zombie_takes_nothing_puts_nothing_back_and_acknowledges_nothing_of_the_next_holder(broker: Broker) -> None:
    broker.publish(*range(9), to=PARTITION)
    claim(broker, "first")
    with holding(broker, "first", prefetch=4) as zombie:
        zombie.drain(4)
        zombie.messages[0].ack()
        zombie.channel.flush_acks()
        assert claim(broker, "second", before="first") == 3
        with holding(broker, "second", prefetch=5) as partition:
            assert partition.drain(5) == [1, 2, 3, 4, 5]
            zombie.ack()
            zombie.channel.flush_acks()
            zombie.turn()
            zombie.channel.close()
            assert zombie.bodies == [0, 1, 2, 3]
            assert zombie.lost > 0
            assert (records(broker), broker.waiting(PARTITION)) == (5, [6, 7, 8])
            partition.ack()
            assert partition.drain(3) == [6, 7, 8]
            partition.ack()
    assert (broker.waiting(PARTITION), records(broker)) == ([], 0)


def test_who_claims_gets_the_messages_of_the_dead_in_order_and_as_they_were(broker: Broker) -> None:
    broker.publish(*range(250), to=PARTITION)
    broker.publish("urgent", "urgent too", to=PARTITION, priority=9)
    before = broker.raw(PARTITION)
    claim(broker, "dead")
    with holding(broker, "dead") as partition:
        partition.drain(252)
        abandon(partition)
    assert broker.waiting(PARTITION) == []
    assert claim(broker, "ours") == FENCED
    broker.client.delete(f"{broker.prefix}balance.lease.{PARTITION}")  # its time is over
    assert claim(broker, "ours") == 252
    assert broker.raw(PARTITION)[:250] == before
    assert broker.waiting(PARTITION)[250:] == ["urgent", "urgent too"]
    assert broker.names() & {f"unacked.{PARTITION}", f"unacked_index.{PARTITION}"} == set()


def test_giving_back_one_gives_back_all_so_that_none_comes_before_an_older_one(broker: Broker) -> None:
    broker.publish(*range(4), to=PARTITION)
    claim(broker, "ours")
    with holding(broker, "ours", prefetch=3) as partition:
        partition.drain(3)
        partition.messages[1].requeue()
        assert partition.drain(1) == [0], "what is held comes again, to be replayed"
        partition.ack()
        assert partition.drain(3) == [1, 2, 3]


def test_what_was_settled_without_a_trace_comes_again(broker: Broker) -> None:
    broker.publish(*range(3), to=PARTITION)
    claim(broker, "ours")
    with holding(broker, "ours") as partition:
        partition.drain(3)
        partition.messages[0].ack()
        partition.channel.flush_acks()
        partition.channel.qos.settle(partition.messages[1].delivery_tag)
        partition.channel.qos.restore_visible()
        assert broker.waiting(PARTITION) == [], "not before the visibility timeout"
        partition.channel.qos.visibility_timeout = 0
        partition.channel.qos.restore_visible()
        assert broker.waiting(PARTITION) == [1, 2]


def test_what_is_held_longer_than_the_visibility_timeout_stays_in_hand(broker: Broker) -> None:
    broker.publish(*range(3), to=PARTITION)
    claim(broker, "ours")
    with holding(broker, "ours") as partition:
        partition.drain(3)
        partition.channel.qos.visibility_timeout = 0
        partition.messages[0].ack()  # told to the server with the next tick
        partition.channel.qos.restore_visible()
        assert broker.waiting(PARTITION) == []
        assert records(broker) == 3


def test_the_messages_of_other_queues_are_looked_after_while_a_partition_is_held(broker: Broker) -> None:
    broker.publish("lost")
    with consuming(broker) as dead:
        dead.drain(1)
        abandon(dead)
    claim(broker, "ours")
    with holding(broker, "ours") as partition:
        ordinary = partition.connection.channel()
        ordinary.visibility_timeout = 0
        kombu.Consumer(ordinary, [queue("others")], accept=["json"]).consume()
        partition.connection.connection.cycle.maybe_restore_messages()
    assert broker.waiting() == ["lost"]


def test_leases_are_renewed_and_released_by_their_holder_alone(broker: Broker) -> None:
    claim(broker, "ours")
    key, other = f"balance.lease.{PARTITION}", "balance.lease.jobs.1"
    assert run(broker, RENEW_LEASES, [key, other], [LEASE_MS, "ours", "ours"]) == [1, 0]
    assert run(broker, RENEW_LEASES, [key], [LEASE_MS, "theirs"]) == [0]
    assert run(broker, RELEASE, [key], ["theirs"]) == 0
    assert run(broker, RELEASE, [key], ["ours"]) == 1
    assert broker.names() & {key, other} == set()


def test_a_full_server_lets_a_partition_be_claimed(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        broker = Broker(redis_url, "", client)
        broker.publish(*range(3), to=PARTITION)
        claim(broker, "dead")
        with holding(broker, "dead") as partition:
            partition.drain(3)
            abandon(partition)
        client.config_set("maxmemory", 1)
        try:
            assert claim(broker, "ours", before="dead") == 3
            with holding(broker, "ours") as partition:
                assert partition.drain(3) == [0, 1, 2]
                partition.ack()
        finally:
            client.config_set("maxmemory", 0)


def test_what_cannot_be_put_back_stays_recorded_and_the_partition_stays_free(broker: Broker) -> None:
    broker.publish(*range(3), to=PARTITION)
    claim(broker, "dead")
    with holding(broker, "dead") as partition:
        partition.drain(3)
        abandon(partition)
    broker.client.set(f"{broker.prefix}{PARTITION}", "not a list")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        claim(broker, "ours", before="dead")
    assert records(broker) == 3
    broker.client.delete(f"{broker.prefix}{PARTITION}")
    assert claim(broker, "ours") == 3
    assert broker.waiting(PARTITION) == [0, 1, 2]
