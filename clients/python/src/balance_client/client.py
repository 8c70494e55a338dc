"""What a service publishes money jobs with. docs/publishing.md says what to do when something does not answer."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Final, Protocol

from typing_extensions import Self

from balance_client.brokers.tls import Tls
from balance_client.publishing.confirmed import NotAccepted
from balance_client.publishing.handles import JobHandle, PublishFailed
from balance_client.publishing.job_message import JobMessage, JobSpec
from balance_client.publishing.job_methods import JobMethods
from balance_client.publishing.result_reader import RedisResults, ReplyQueue, ResultReader
from balance_client.routing import BALANCE
from balance_client.settings import REPLIES, TIMEOUT_S, Connecting, Signer
from models.contracts.wire.envelope import DEFAULT_PRODUCER

CHUNK_MAX: Final = 5_000


class BalanceClient(JobMethods[JobHandle]):
    """Publishes money jobs to one queue and its partitions, for one producer (the scope of idempotency keys).

    `broker_url`: redis://, sentinel:// or amqp://, over TLS rediss://, sentinels:// or amqps:// (docs/deployment.md).
    `result_url`: where workers keep results, when it is not what follows from the broker: the same Redis, or a reply
    queue on the same RabbitMQ (rpc://).
    `timeout_s`: how long one answer of the broker may take; there are three attempts.
    `partitions`: the workers' BALANCE_PARTITIONS. Jobs of one account are then applied in the order of publishing,
    unless the job names neither its account nor a job of it (a user by telegram_id).
    `brokers`: where partitions are on brokers of their own, their URLs by ranges: {"0-7": "redis://a", "8-15": …}. Each
    partition is in one. Whatever has no partition goes to `broker_url`.
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
        brokers: Mapping[str, str] | None = None,
        secret: str | None = None,
        tls_ca: str | None = None,
        tls_cert: str | None = None,
        tls_key: str | None = None,
    ) -> None:
        self._signer = Signer(producer, secret)
        tls = Tls(tls_ca, tls_cert, tls_key)
        self._connecting = Connecting(broker_url, result_url, queue, timeout_s, partitions, tls, brokers)
        self._process = self._connected()

    def _connected(self) -> Connections:
        """What a process publishes and reads through; nothing is connected yet."""
        return _Process(self._connecting)

    def submit(self, job: JobSpec, *, want_result: bool = True) -> JobHandle:
        """Publishes one job: a contract's instance, or (name, keyword arguments).

        Returns when the broker has it. Raises InvalidJob or PublishFailed.
        """
        [handle] = self._publish([self._signer.message(job, want_result)], chunk=1)
        return handle

    def submit_many(self, jobs: Iterable[JobSpec], *, chunk: int = 500, want_result: bool = True) -> list[JobHandle]:
        """Publishes many jobs in their order, `chunk` of them for each wait for the broker.

        Raises InvalidJob, naming the job's place, before the first is published; PublishFailed when the broker stops
        taking them.
        """
        if not 1 <= chunk <= CHUNK_MAX:
            raise ValueError(f"chunk is {chunk}; allowed is 1 to {CHUNK_MAX}")
        return self._publish(self._signer.messages(jobs, want_result), chunk)

    def publish(self, messages: Sequence[JobMessage]) -> None:
        """Publishes messages that were made before, in their order: what an outbox kept. Raises PublishFailed.

        They are signed now; ValueError when the client has a secret and one of them is another producer's.
        """
        self._publish([self._signed(message) for message in messages], chunk=CHUNK_MAX)

    def _signed(self, message: JobMessage) -> JobMessage:
        producer, secret = self._signer.producer, self._signer.secret
        if secret is None:
            return message
        if (named := message.kwargs.get("producer", DEFAULT_PRODUCER)) != producer:
            raise ValueError(f"{message.name} is by {named!r}; the client's secret is that of {producer!r}")
        return replace(message, secret=secret)

    def _publish(self, messages: Sequence[JobMessage], chunk: int) -> list[JobHandle]:
        process = self._of_this_process()
        handles = [JobHandle(each, process.results_of(each) if each.want_result else None) for each in messages]
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

    def _of_this_process(self) -> Connections:
        if self._process.pid != os.getpid():
            # The sockets are the parent's: were they closed here, even by garbage collection, it would lose them.
            _INHERITED.append(self._process)
            self._process = self._connected()
        return self._process

    def close(self) -> None:
        """Ends the connections. An outcome not fetched yet can be had by publishing its job again."""
        self._of_this_process().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Accepting(Protocol):
    """Who takes messages for the broker."""

    def publish(self, messages: Sequence[JobMessage]) -> None:
        """All of them, in their order. Raises NotAccepted."""

    def close(self) -> None: ...


class Connections(Protocol):
    """What belongs to one process: connections do not survive a fork, and a reply queue has one reader."""

    @property
    def pid(self) -> int: ...

    @property
    def publisher(self) -> Accepting: ...

    def results_of(self, message: JobMessage) -> ResultReader:
        """Where the answer to this job will be."""

    def close(self) -> None: ...


class _Process:
    def __init__(self, connecting: Connecting) -> None:
        self.pid = os.getpid()
        self._connecting = connecting
        self._results = {url: _results(connecting, url) for url in connecting.urls}
        self.publisher = connecting.publisher({url: each.reply_to for url, each in self._results.items()})

    def results_of(self, message: JobMessage) -> ResultReader:
        return self._results[self._connecting.broker_of(message.account)]

    def close(self) -> None:
        self.publisher.close()
        for each in self._results.values():
            each.close()


def _results(connecting: Connecting, broker_url: str) -> ResultReader:
    if (where := connecting.results_at(broker_url)) == REPLIES:
        return ReplyQueue(broker_url, connecting.timeout_s, connecting.tls)
    return RedisResults(where, connecting.timeout_s, connecting.tls)


_INHERITED: Final[list[Any]] = []
