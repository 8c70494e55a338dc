"""One open connection to a broker, over which messages are sent until it has confirmed them.

Redis: the list of the queue, through the anonymous exchange, so that there is no binding to be lost.
RabbitMQ: durable quorum queues; every message is mandatory and confirmed, so that neither a missing nor a full queue
swallows one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, ClassVar, Final, Protocol

from kombu import Connection, Producer

from tasks.publishing.job_message import JobMessage
from tasks.publishing.result_reader import REPLY_EXPIRES_S, reply_queue
from tasks.routing import undropped

_PERSISTENT: Final = 2
_NOT_FOUND: Final = 404


class Refused(Exception):
    """The broker answered that it does not take a message."""

    def __init__(self, message: str, *, lasting: bool) -> None:
        super().__init__(message)
        self.lasting = lasting


@dataclass(frozen=True, slots=True)
class RawMessage:
    """A message that is known byte by byte, and not looked into: one that is sent again."""

    body: bytes
    headers: dict[str, Any]
    content_type: str
    content_encoding: str | None
    properties: dict[str, Any]
    want_result: ClassVar = False  # what it asks for is in its properties


Addressed = tuple[str, JobMessage | RawMessage]
"""A message with the name of its queue."""


class Link(Protocol):
    """One open connection to the broker."""

    def send(self, messages: Sequence[Addressed]) -> None:
        """Returns when the broker has taken all of them; raises what the broker or the network did instead."""

    def close(self) -> None:
        """Takes leave of the broker."""

    def drop(self) -> None:
        """Gives up a connection on which something has failed, without another word to the broker."""


class RedisLink:
    """Messages are LPUSHed through one pipeline: one round trip for all of them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._producer: Any = Producer(connection.channel(), auto_declare=False)  # its stubs know no batch() yet

    def send(self, messages: Sequence[Addressed]) -> None:
        with self._producer.batch(max_size=len(messages)):
            for queue, message in messages:
                _publish(self._producer, queue, message, reply_to="")

    def close(self) -> None:
        self._connection.close()

    def drop(self) -> None:
        discard(self._connection)


class AmqpLink:
    """Messages are sent one after the other and confirmed together: one wait for all of them."""

    def __init__(
        self, connection: Connection, arguments: dict[str, dict[str, Any] | None], reply_to: str, timeout_s: float
    ) -> None:
        self._connection = connection
        self._arguments = arguments  # by queue, of those whose presence has not been looked at
        self._reply_to = reply_to
        self._timeout_s = timeout_s
        channel: Any = connection.channel()
        channel.confirm_select()
        channel.events["basic_ack"].add(self._on_ack)
        channel.events["basic_nack"].add(self._on_nack)
        channel.events["basic_return"].add(self._on_return)
        self._producer = Producer(channel, auto_declare=False)
        self._replies: Any = connection.channel()
        self._lease_ends = 0.0  # monotonic seconds; 0: no reply queue has been declared
        self._sent = 0
        self._unsettled: dict[int, str] = {}  # queues by delivery tag; the broker counts a channel's messages from 1
        self._refusals: list[str] = []
        self._unroutable = 0  # of the refusals

    def _declare(self, queue: str) -> None:
        channel: Any = self._connection.channel()
        try:
            # Only looked at when it is there: an operator may have made it with arguments of their own.
            channel.queue_declare(queue, passive=True)
        except self._connection.channel_errors as error:
            if getattr(error, "code", None) != _NOT_FOUND:
                raise
            channel = self._connection.channel()  # the broker closed the other one
            connection: Any = self._connection.connection
            arguments = undropped(self._arguments[queue], connection.server_properties)
            channel.queue_declare(queue, durable=True, auto_delete=False, arguments=arguments)
        channel.close()
        del self._arguments[queue]

    def send(self, messages: Sequence[Addressed]) -> None:
        for queue in self._arguments.keys() & {queue for queue, _ in messages}:
            self._declare(queue)
        if any(message.want_result for _, message in messages):
            self._keep_reply_queue()
        self._refusals.clear()
        self._unroutable = 0
        for queue, message in messages:
            self._sent += 1
            self._unsettled[self._sent] = queue
            _publish(self._producer, queue, message, self._reply_to, mandatory=True, timeout=self._timeout_s)
        deadline = monotonic() + self._timeout_s
        while self._unsettled:
            self._connection.drain_events(timeout=max(0.01, deadline - monotonic()))
        if self._refusals:
            raise Refused(
                f"{len(self._refusals)} of {len(messages)} messages: {self._refusals[0]}",
                lasting=self._unroutable == len(self._refusals),
            )

    def _keep_reply_queue(self) -> None:
        # Declaring it again is what keeps an expiring queue alive while nobody reads it.
        if self._reply_to and monotonic() >= self._lease_ends:
            reply_queue(self._reply_to)(self._replies).declare()
            self._lease_ends = monotonic() + REPLY_EXPIRES_S / 24

    def _on_ack(self, tag: int, multiple: bool) -> None:
        self._settle(tag, multiple)

    def _on_nack(self, tag: int, multiple: bool) -> None:
        self._refusals += [f"queue {queue} does not take it (full?)" for queue in self._settle(tag, multiple)]

    def _on_return(self, error: Exception, exchange: str, routing_key: str, message: object) -> None:
        # Its confirmation follows: RabbitMQ confirms what it could not route too, after having returned it.
        self._refusals.append(f"queue {routing_key}: {error}")
        self._unroutable += 1

    def _settle(self, tag: int, multiple: bool) -> list[str]:
        """The queues of what is settled now."""
        settled = [each for each in self._unsettled if each <= tag] if multiple else [tag]
        return [self._unsettled.pop(each) for each in settled if each in self._unsettled]

    def close(self) -> None:
        if self._lease_ends:
            self._replies.queue_delete(self._reply_to)  # nobody reads it any more
        self._connection.close()

    def drop(self) -> None:
        discard(self._connection)


def _publish(producer: Producer, queue: str, message: JobMessage | RawMessage, reply_to: str, **options: Any) -> None:
    if isinstance(message, RawMessage):
        producer.publish(
            message.body,
            exchange="",
            routing_key=queue,
            content_type=message.content_type,
            content_encoding=message.content_encoding or "",
            headers=message.headers,
            delivery_mode=_PERSISTENT,
            **message.properties,
            **options,
        )
        return
    body, answer_to = message.body(), reply_to if message.want_result else ""
    producer.publish(
        body,
        exchange="",
        routing_key=queue,
        content_type="application/json",
        content_encoding="utf-8",
        headers=message.headers(body, answer_to),
        delivery_mode=_PERSISTENT,
        correlation_id=message.task_id,
        reply_to=answer_to,
        **options,
    )


def discard(connection: Connection) -> None:
    """Gives it up without a word."""
    with contextlib.suppress(OSError):  # nothing is in flight on it: what it has to say no longer matters
        connection.collect()
