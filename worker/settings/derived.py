"""What follows from the settings, whatever they are."""

from functools import cached_property
from typing import Literal
from urllib.parse import urlsplit

from balance_client.brokers.addresses import AMQP
from balance_client.brokers.by_partition import broker_of_each, brokers_in
from balance_client.brokers.tls import Tls
from balance_client.routing import partition_queue, partition_queues
from worker.settings.fields import Fields


class DerivedSettings(Fields):
    """The settings, and what follows from them."""

    @property
    def tls(self) -> Tls:
        """What the broker's connections trust and show, where they are encrypted."""
        return Tls(self.broker_tls_ca, self.broker_tls_cert, self.broker_tls_key)

    @cached_property
    def partition_queues(self) -> list[str]:
        """The names of the partition queues of this shard, the lowest partition first; of all where there are no
        shards."""
        of_all = range(self.partitions)
        own = of_all if self.shard is None else [each for each in of_all if self.shard.has(each)]
        return [partition_queue(self.queue, each) for each in own]

    @cached_property
    def every_partition_queue(self) -> list[str]:
        """The same of all shards, partition 0 first."""
        return partition_queues(self.queue, self.partitions)

    @cached_property
    def tick_queue(self) -> str:
        """The queue of scheduled work: BALANCE_IO_QUEUE, and of a shard balance.io.3."""
        return self.io_queue if self.shard is None else f"{self.io_queue}.{self.shard.number}"

    @cached_property  # asked for each message
    def money_queues(self) -> frozenset[str]:
        """The queues that take money jobs, and nothing else: those of all shards."""
        return frozenset({self.queue, *self.every_partition_queue})

    @cached_property
    def own_queues(self) -> frozenset[str]:
        """All queues that workers of ours take from, whichever shard they are of."""
        shards = 0 if self.shard is None else self.shard.count
        return self.money_queues | {self.io_queue} | {f"{self.io_queue}.{number}" for number in range(shards)}

    @property
    def anchor_place(self) -> str | None:
        """Where this ledger's anchors are written: BALANCE_ANCHOR_TO, and of a shard a file, or a prefix, beside those
        of the others: ledger.anchors.balance_03, s3://audit/ledger/balance_03"""
        place, shard = self.anchor_to, self.shard
        if place is None or shard is None or place == "-":
            return place
        return f"{place.rstrip('/')}/{shard.schema}" if urlsplit(place).scheme == "s3" else f"{place}.{shard.schema}"

    @property
    def schema_name(self) -> str | None:
        """The PostgreSQL schema of this shard's tables; None: whatever search_path of the role leads to."""
        return None if self.shard is None else self.shard.schema

    @cached_property
    def broker_map(self) -> dict[str, str] | None:
        """BALANCE_BROKERS: URLs, which may contain passwords, by ranges of partitions."""
        return None if self.brokers is None else brokers_in(self.brokers.get_secret_value())

    @cached_property
    def broker_of_partition(self) -> list[str] | None:
        """The URL of each partition's broker, which may contain a password; None: all are at `broker_url`."""
        brokers = self.broker_map
        return None if brokers is None else broker_of_each(brokers, self.partitions)

    @property
    def broker_kind(self) -> Literal["redis", "rabbitmq"]:
        """Which of the two brokers `broker_url` is."""
        return "rabbitmq" if urlsplit(self.broker_url).scheme in AMQP else "redis"

    @property
    def result_backend(self) -> str:
        """The URL for Celery's results: `result_url`, or what follows from the broker. May contain a password."""
        if self.result_url is not None:
            return self.result_url
        return self.broker_url if self.broker_kind == "redis" else "rpc://"
