"""What follows from the settings, whatever they are."""

from functools import cached_property
from typing import Literal
from urllib.parse import urlsplit

from balance_client.brokers.addresses import AMQP
from balance_client.brokers.tls import Tls
from balance_client.routing import partition_queues
from worker.settings.fields import Fields


class DerivedSettings(Fields):
    """The settings, and what follows from them."""

    @property
    def tls(self) -> Tls:
        """What the broker's connections trust and show, where they are encrypted."""
        return Tls(self.broker_tls_ca, self.broker_tls_cert, self.broker_tls_key)

    @property
    def partition_queues(self) -> list[str]:
        """The names of the partition queues, partition 0 first."""
        return partition_queues(self.queue, self.partitions)

    @cached_property  # asked for each message
    def money_queues(self) -> frozenset[str]:
        """The queues that take money jobs, and nothing else."""
        return frozenset({self.queue, *self.partition_queues})

    @cached_property
    def own_queues(self) -> frozenset[str]:
        """All queues that our workers take from."""
        return self.money_queues | {self.io_queue}

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
