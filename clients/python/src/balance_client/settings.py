"""What a client is told about broker and results, checked at once: a wrong address is no outage later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from balance_client.brokers.addresses import AMQP, REDIS, Unusable, check_broker, redis_address
from balance_client.brokers.tls import Tls
from balance_client.publishing.confirmed import Publisher
from balance_client.publishing.job_message import InvalidJob, JobMessage, JobSpec, job_message
from balance_client.routing import PARTITIONS_MAX
from models.contracts.wire.envelope import Identity
from models.contracts.wire.signature import SECRET_LENGTH_MIN

TIMEOUT_S: Final = 10.0
REPLIES: Final = "rpc://"
"""Results come over a reply queue on the broker itself."""


@dataclass(frozen=True, slots=True)
class Connecting:
    """Where to publish, and where the answers are. Raises ValueError for what cannot work."""

    broker_url: str
    result_url: str
    queue: str
    timeout_s: float
    partitions: int
    tls: Tls

    def __post_init__(self) -> None:
        _usable("broker_url", self.broker_url, check_broker, (*REDIS, *AMQP))
        if self.result_url != REPLIES:
            _usable("result_url", self.result_url, redis_address, REDIS)
        elif _scheme(self.broker_url) not in AMQP:
            raise ValueError("result_url can be rpc:// only when broker_url is RabbitMQ")
        if not 0 <= self.partitions <= PARTITIONS_MAX:
            raise ValueError(f"partitions is {self.partitions}; allowed is 0 to {PARTITIONS_MAX}")

    def publisher(self, reply_to: str) -> Publisher:
        """Opens its connection with the first message."""
        return Publisher(self.broker_url, self.queue, reply_to, self.timeout_s, self.partitions, self.tls)


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
