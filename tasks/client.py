"""What another service uses to publish money jobs. Loads no database toolkit.

    with BalanceClient("redis://localhost:6379/0", producer="billing") as client:
        job = client.wallets_top_up(
            wallet_id="w_1", credits_to_add="12.50", transaction_reason="PURCHASED_CREDIT_DIRECT",
            idempotency_key="invoice-1042",
        )
        outcome = job.get(timeout_s=10)

docs/publishing.md says what to do when something does not answer.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Final, Self

from pydantic import ValidationError

from models.contracts.wire.envelope import DEFAULT_PRODUCER, Identity
from models.contracts.wire.signature import SECRET_LENGTH_MIN
from tasks.brokers.addresses import AMQP, REDIS, Unusable, check_broker, redis_address
from tasks.brokers.tls import Tls
from tasks.publishing.confirmed import NotAccepted, Publisher
from tasks.publishing.handles import Entry, Error, JobHandle, JobParked, Outcome, OutcomeTimeout
from tasks.publishing.job_message import ABSENT, Absent, InvalidJob, JobMessage, JobSpec, job_message
from tasks.publishing.job_methods import JobMethods
from tasks.publishing.result_reader import RedisResults, ReplyQueue, ResultReader
from tasks.routing import BALANCE, PARTITIONS_MAX

__all__ = [
    "ABSENT", "Absent", "BalanceClient", "Entry", "Error", "InvalidJob", "JobHandle", "JobParked", "JobSpec",
    "Outcome", "OutcomeTimeout", "PublishFailed",
]  # fmt: skip

CHUNK_MAX: Final = 5_000
TIMEOUT_S: Final = 10.0


class PublishFailed(Exception):
    """Not accepted by the broker. Publish everything again with the same keys: what did arrive is not applied twice.

    `accepted` are the jobs that the broker confirmed, `unknown` those that it may have or not, `not_sent` the rest.
    """

    def __init__(
        self, why: str, accepted: Sequence[JobHandle], unknown: Sequence[JobHandle], not_sent: Sequence[JobHandle]
    ) -> None:
        if len(accepted) + len(unknown) + len(not_sent) == 1:
            job = unknown[0]
            text = f"{job.name} key={job.idempotency_key}: not accepted by the broker; publish again with the same key"
        else:
            text = (
                f"{len(accepted)} jobs accepted by the broker, {len(unknown)} unknown, {len(not_sent)} not sent; "
                "publish all of them again with the same keys"
            )
        super().__init__(f"{text} ({why})")
        self.accepted = tuple(accepted)
        self.unknown = tuple(unknown)
        self.not_sent = tuple(not_sent)


class BalanceClient(JobMethods):
    """Publishes money jobs to one queue and its partitions, for one producer (the scope of idempotency keys).

    `broker_url`: redis://, sentinel:// or amqp://, over TLS rediss://, sentinels:// or amqps:// (docs/deployment.md).
    `result_url`: where workers keep results, when it is not what follows from the broker: the same Redis, or a reply
    queue on the same RabbitMQ (rpc://).
    `timeout_s`: how long one answer of the broker may take; there are three attempts.
    `partitions`: the workers' BALANCE_PARTITIONS. Jobs of one account are then applied in the order of publishing,
    unless the job does not name its account by itself (a user by telegram_id, entries.reverse).
    `secret`: this producer's, where BALANCE_PRODUCERS names who may publish; it signs every message.
    `tls_ca`, `tls_cert`, `tls_key`: paths of PEM files for connections over TLS: whom to trust (None: whom the system
    trusts), and what this side shows. Certificate and name of the other side are always verified.

    Connects with the first job. Threads may share one: they take turns to publish. After a fork each process has a
    connection of its own; handles belong to the process that published.
    """

    def __init__(
        self,
        broker_url: str,
        producer: str = DEFAULT_PRODUCER,
        result_url: str | None = None,
        queue: str = BALANCE,
        *,
        timeout_s: float = TIMEOUT_S,
        partitions: int = 0,
        secret: str | None = None,
        tls_ca: str | None = None,
        tls_cert: str | None = None,
        tls_key: str | None = None,
    ) -> None:
        over_amqp = _scheme(broker_url) in AMQP
        _usable("broker_url", broker_url, check_broker, (*REDIS, *AMQP))
        if result_url is None:
            result_url = "rpc://" if over_amqp else broker_url
        if result_url != "rpc://":
            _usable("result_url", result_url, redis_address, REDIS)
        elif not over_amqp:
            raise ValueError("result_url can be rpc:// only when broker_url is RabbitMQ")
        if not 0 <= partitions <= PARTITIONS_MAX:
            raise ValueError(f"partitions is {partitions}; allowed is 0 to {PARTITIONS_MAX}")
        if secret is not None and len(secret) < SECRET_LENGTH_MIN:
            raise ValueError(f"secret has {len(secret)} characters; at least {SECRET_LENGTH_MIN} are needed")
        self._producer = _valid_producer(producer)
        self._secret = secret
        self._settings = (broker_url, result_url, queue, timeout_s, partitions, Tls(tls_ca, tls_cert, tls_key))
        self._process = _Process(*self._settings)

    def submit(self, job: JobSpec, *, want_result: bool = True) -> JobHandle:
        """Publishes one job: a contract's instance, or (name, keyword arguments).

        Returns when the broker has it. Raises InvalidJob or PublishFailed.
        """
        [handle] = self._publish([job_message(job, self._producer, want_result, self._secret)], chunk=1)
        return handle

    def submit_many(self, jobs: Iterable[JobSpec], *, chunk: int = 500, want_result: bool = True) -> list[JobHandle]:
        """Publishes many jobs in their order, `chunk` of them for each wait for the broker.

        Raises InvalidJob, naming the job's place, before the first is published; PublishFailed when the broker stops
        taking them.
        """
        if not 1 <= chunk <= CHUNK_MAX:
            raise ValueError(f"chunk is {chunk}; allowed is 1 to {CHUNK_MAX}")
        return self._publish([self._message(index, job, want_result) for index, job in enumerate(jobs)], chunk)

    def publish(self, messages: Sequence[JobMessage]) -> None:
        """Publishes messages that were made before, in their order: what an outbox kept. Raises PublishFailed.

        They are signed now; ValueError when the client has a secret and one of them is another producer's.
        """
        self._publish([self._signed(message) for message in messages], chunk=CHUNK_MAX)

    def _signed(self, message: JobMessage) -> JobMessage:
        if self._secret is None:
            return message
        if (producer := message.kwargs.get("producer", DEFAULT_PRODUCER)) != self._producer:
            raise ValueError(f"{message.name} is by {producer!r}; the client's secret is that of {self._producer!r}")
        return replace(message, secret=self._secret)

    def _message(self, index: int, job: JobSpec, want_result: bool) -> JobMessage:
        try:
            return job_message(job, self._producer, want_result, self._secret)
        except InvalidJob as error:
            raise InvalidJob(error.name, error.errors, error.sentences, index) from error

    def _publish(self, messages: Sequence[JobMessage], chunk: int) -> list[JobHandle]:
        process = self._of_this_process()
        handles = [JobHandle(each, process.results if each.want_result else None) for each in messages]
        rest = iter(messages)
        done = 0
        while part := list(islice(rest, chunk)):
            try:
                process.publisher.publish(part)
            except NotAccepted as error:
                sent = done + len(part)
                raise PublishFailed(str(error), handles[:done], handles[done:sent], handles[sent:]) from error
            done += len(part)
        return handles

    def _of_this_process(self) -> _Process:
        if self._process.pid != os.getpid():
            # The sockets are the parent's: were they closed here, even by garbage collection, it would lose them.
            _INHERITED.append(self._process)
            self._process = _Process(*self._settings)
        return self._process

    def close(self) -> None:
        """Ends the connections. An outcome not fetched yet can be had by publishing its job again."""
        process = self._of_this_process()
        process.publisher.close()
        process.results.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Process:
    """What belongs to one process: connections do not survive a fork, and a reply queue has one reader."""

    def __init__(
        self, broker_url: str, result_url: str, queue: str, timeout_s: float, partitions: int, tls: Tls
    ) -> None:
        self.pid = os.getpid()
        self.results: ResultReader
        if result_url.startswith("rpc:"):
            self.results = ReplyQueue(broker_url, timeout_s, tls)
        else:
            self.results = RedisResults(result_url, timeout_s, tls)
        self.publisher = Publisher(broker_url, queue, self.results.reply_to, timeout_s, partitions, tls)


_INHERITED: Final[list[Any]] = []


def _valid_producer(name: str) -> str:
    try:
        return Identity(idempotency_key="any", producer=name).producer
    except ValidationError as error:
        raise ValueError(f"producer = {name!r}: {error.errors()[0]['msg']}") from error


def _usable(name: str, url: str, check: Callable[[str], object], schemes: Sequence[str]) -> None:
    try:
        check(url)
    except Unusable as error:
        reason = str(error) or f"allowed are URLs with a host and one of the schemes {', '.join(schemes)}"
        raise ValueError(f"{name} is a {_scheme(url)}:// URL that cannot be used: {reason}") from None


def _scheme(url: str) -> str:
    return url.partition(":")[0]
