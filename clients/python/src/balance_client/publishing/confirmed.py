"""Getting messages accepted by the broker: either it has taken them, or the caller is told that it may not have."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event, Lock
from typing import Final
from urllib.parse import urlsplit

from balance_client.brokers.tls import Tls, advice
from balance_client.publishing.job_message import JobMessage
from balance_client.publishing.links import Addressed, AmqpLink, Link, RedisLink, Refused, discard
from balance_client.publishing.result_reader import broker_connection, broker_errors, connect
from balance_client.routing import partition_queues, queue_arguments, queue_of
from models.domain.retry import backoff_s

ATTEMPTS: Final = 3
PAUSE_S: Final = 0.2  # before the second attempt; twice as long before each further one, up to
PAUSE_MAX_S: Final = 5.0
_TLS: Final = Tls()


class NotAccepted(Exception):
    """The broker did not confirm the messages, whatever was tried. They may be in the queue or not.

    `lasting`: it will not take them later either, as there is no such queue.
    `refused`: the places of those that it said it does not take, having confirmed the others; None: it may be any.
    """

    def __init__(self, message: str, *, lasting: bool = False, refused: frozenset[int] | None = None) -> None:
        super().__init__(message)
        self.lasting = lasting
        self.refused = refused


def pause_s(attempt: int) -> float:
    """Seconds from a failed attempt, the first being 1, to the next."""
    return backoff_s(attempt, PAUSE_S, PAUSE_MAX_S)


class Publisher:
    """One process's way to the queue. Threads take turns."""

    def __init__(
        self, broker_url: str, queue: str, reply_to: str, timeout_s: float, partitions: int = 0, tls: Tls = _TLS
    ) -> None:
        self._broker_url, self._tls = broker_url, tls
        self._queue = queue
        self._partitions = partitions
        self._reply_to = reply_to
        self._timeout_s = timeout_s
        self._lock = Lock()
        self._link: Link | None = None
        self._closed = False
        errors = broker_errors(broker_connection(broker_url, timeout_s, tls))
        self._failures: tuple[type[Exception], ...] = (*errors, Refused)

    def publish(self, messages: Sequence[JobMessage]) -> None:
        """Publishes all of them in their order. Raises NotAccepted when the broker did not confirm that it has them."""
        self.send(self.addressed(messages))

    def addressed(self, messages: Sequence[JobMessage]) -> list[Addressed]:
        """Each with its queue: the main one, or its account's partition."""
        return [(queue_of(each.account, self._queue, self._partitions), each) for each in messages]

    def send(self, addressed: Sequence[Addressed]) -> None:
        """The same for messages whose queues are known: the main one, a partition, or a queue that is not ours."""
        with self._lock:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    self._send_once(addressed)
                    return
                except NotAccepted:
                    # What an earlier attempt got through is there twice then: the key makes that one job.
                    if attempt == ATTEMPTS:
                        raise
                    Event().wait(pause_s(attempt))

    def send_once(self, addressed: Sequence[Addressed]) -> None:
        """The same in one attempt, for who waits in another way. After a failure some may have been taken."""
        with self._lock:
            self._send_once(addressed)

    def _send_once(self, addressed: Sequence[Addressed]) -> None:
        if self._closed:
            raise RuntimeError("the client is closed")
        try:
            if self._link is None:
                self._link = self._open()
            self._link.send(addressed)
        except self._failures as error:
            self._drop()
            told = advice(f"{type(error).__name__}: {error}")
            if isinstance(error, Refused):
                raise NotAccepted(told, lasting=error.lasting, refused=error.places) from error
            raise NotAccepted(told) from error
        except BaseException:
            self._drop()  # interrupted in the middle: what was confirmed on this link is no longer known
            raise

    def _open(self) -> Link:
        connection = broker_connection(self._broker_url, self._timeout_s, self._tls)
        try:
            connect(connection)
            if urlsplit(self._broker_url).scheme.startswith("amqp"):
                arguments = {
                    queue: queue_arguments(self._broker_url, partition=queue != self._queue)
                    for queue in (self._queue, *partition_queues(self._queue, self._partitions))
                }
                return AmqpLink(connection, arguments, self._reply_to, self._timeout_s)
            return RedisLink(connection)
        except BaseException:
            discard(connection)
            raise

    def _drop(self) -> None:
        if self._link is not None:
            self._link.drop()
            self._link = None

    def close(self) -> None:
        with self._lock:
            self._closed = True
            try:
                if self._link is not None:
                    self._link.close()
            except self._failures:
                self._drop()  # everything was confirmed before: there is nothing left to lose
