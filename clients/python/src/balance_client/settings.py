"""What a client is told about broker and results, checked at once: a wrong address is no outage later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pydantic import ValidationError

from balance_client.brokers.addresses import AMQP, REDIS, Unusable, check_broker, redis_address
from balance_client.brokers.by_partition import broker_of_each
from balance_client.brokers.tls import Tls
from balance_client.publishers import Publishers
from balance_client.publishing.confirmed import Publisher
from balance_client.publishing.job_message import InvalidJob, JobMessage, JobSpec, job_message
from balance_client.routing import PARTITIONS_MAX, partition_queues, placed
from models.contracts.wire.envelope import Identity
from models.contracts.wire.signature import SECRET_LENGTH_MIN

TIMEOUT_S: Final = 10.0
REPLIES: Final = "rpc://"
"""Results come over a reply queue on the broker itself."""


@dataclass(frozen=True, slots=True)
class Connecting:
    """Where to publish, and where the answers are. Raises ValueError for what cannot work.

    `result_url`: None, when each broker's results are where they follow from it. `brokers`: by ranges of partitions.
    """

    broker_url: str
    result_url: str | None
    queue: str
    timeout_s: float
    partitions: int
    tls: Tls
    brokers: Mapping[str, str] | None = None
    _by_partition: Sequence[str] = field(init=False, default=(), repr=False)

    def __post_init__(self) -> None:
        _usable("broker_url", self.broker_url, check_broker, (*REDIS, *AMQP))
        if not 0 <= self.partitions <= PARTITIONS_MAX:
            raise ValueError(f"partitions is {self.partitions}; allowed is 0 to {PARTITIONS_MAX}")
        if self.brokers is not None:
            try:
                object.__setattr__(self, "_by_partition", broker_of_each(self.brokers, self.partitions))
            except ValueError as error:
                raise ValueError(f"brokers: {error}") from None
        for url in self.urls:
            if (results := self.results_at(url)) != REPLIES:
                _usable("result_url", results, redis_address, REDIS)
            elif _scheme(url) not in AMQP:
                raise ValueError("result_url can be rpc:// only when broker_url is RabbitMQ")

    @property
    def urls(self) -> list[str]:
        """Of all brokers, the main one first."""
        return [*dict.fromkeys((self.broker_url, *self._by_partition))]

    def broker_of(self, account: str | None) -> str:
        """The URL of the broker that a job is published to."""
        partition = placed(account, self.partitions) if self._by_partition else None
        return self.broker_url if partition is None else self._by_partition[partition]

    def results_at(self, broker_url: str) -> str:
        """Where the workers of this broker keep results."""
        return results_of(broker_url, self.result_url)

    def publisher_at(self, broker_url: str, reply_to: str) -> Publisher:
        """To one of the brokers. Opens its connection with the first message."""
        return Publisher(broker_url, self.queue, reply_to, self.timeout_s, self.partitions, self.tls)

    def publisher(self, reply_to: Mapping[str, str]) -> Publisher | Publishers:
        """To all of them. `reply_to`: the queue for replies, by broker."""
        by_url = {url: self.publisher_at(url, reply_to[url]) for url in self.urls}
        if not self._by_partition:
            return by_url[self.broker_url]
        queues = partition_queues(self.queue, self.partitions)
        by_queue = {queue: by_url[url] for queue, url in zip(queues, self._by_partition, strict=True)}
        return Publishers(by_url[self.broker_url], by_queue)


def results_of(broker_url: str, result_url: str | None) -> str:
    """Where workers keep results: the given, or what follows from the broker."""
    if result_url is not None:
        return result_url
    return REPLIES if _scheme(broker_url) in AMQP else broker_url


@dataclass(frozen=True, slots=True)
class Signer:
    """Who publishes: the scope of keys, and the secret that signs. Raises ValueError for what cannot be either."""

    producer: str
    secret: str | None

    def __post_init__(self) -> None:
        if self.secret is not None and len(self.secret) < SECRET_LENGTH_MIN:
            raise ValueError(f"secret has {len(self.secret)} characters; at least {SECRET_LENGTH_MIN} are needed")
        try:
            Identity(idempotency_key="any", producer=self.producer)
        except ValidationError as error:
            raise ValueError(f"producer = {self.producer!r}: {error.errors()[0]['msg']}") from error

    def message(self, job: JobSpec, want_result: bool) -> JobMessage:
        """Raises InvalidJob."""
        return job_message(job, self.producer, want_result, self.secret)

    def messages(self, jobs: Iterable[JobSpec], want_result: bool) -> list[JobMessage]:
        """In their order. Raises InvalidJob, naming the job's place."""
        return [self._placed(index, job, want_result) for index, job in enumerate(jobs)]

    def _placed(self, index: int, job: JobSpec, want_result: bool) -> JobMessage:
        try:
            return self.message(job, want_result)
        except InvalidJob as error:
            raise InvalidJob(error.name, error.errors, error.sentences, index) from error


def _usable(name: str, url: str, check: Callable[[str], object], schemes: Sequence[str]) -> None:
    try:
        check(url)
    except Unusable as error:
        reason = str(error) or f"allowed are URLs with a host and one of the schemes {', '.join(schemes)}"
        raise ValueError(f"{name} is a {_scheme(url)}:// URL that cannot be used: {reason}") from None


def _scheme(url: str) -> str:
    return url.partition(":")[0]
