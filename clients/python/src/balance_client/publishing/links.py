"""One open connection to a broker, over which messages are sent until it has confirmed them.

Redis: the list of the queue, through the anonymous exchange, so that there is no binding to be lost.
RabbitMQ: durable quorum queues; every message is mandatory and confirmed, so that neither a missing nor a full queue
swallows one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from time import monotonic
from typing import Any, ClassVar, Final, Protocol

from kombu import Connection, Producer

from balance_client.publishing.confirms import Confirms
from balance_client.publishing.job_message import JobMessage
from balance_client.publishing.redis_frame import redis_frame
from balance_client.publishing.result_reader import REPLY_EXPIRES_S, reply_queue
from balance_client.routing import undropped

_PERSISTENT: Final = 2
_NOT_FOUND: Final = 404


class Refused(Exception):
    """The broker answered that it does not take a message.

    `places`: of those in the batch; it has the others. None: it may be any of them.
    """

    def __init__(self, message: str, *, lasting: bool, places: frozenset[int] | None) -> None:
        super().__init__(message)
        self.lasting = lasting
        self.places = places


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
    """Jobs are LPUSHed through one pipeline: one round trip for all. What is known byte by byte goes kombu's way."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._producer = Producer(connection.channel(), auto_declare=False)

    def send(self, messages: Sequence[Addressed]) -> None:
        jobs = [(queue, each) for queue, each in messages if isinstance(each, JobMessage)]
        if len(jobs) < len(messages):
            for queue, message in messages:
                _publish(self._producer, queue, message, reply_to="")
            return
        channel: Any = self._producer.channel
        with channel.conn_or_acquire() as client, client.pipeline(transaction=False) as pipeline:
            for queue, together in groupby(jobs, key=itemgetter(0)):
                pipeline.lpush(queue, *(redis_frame(queue, message) for _, message in together))
            pipeline.execute()

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
        self._confirms = Confirms(connection, channel)
        channel.events["basic_return"].add(self._on_return)
        self._producer = Producer(channel, auto_declare=False)
        self._replies: Any = connection.channel()
        self._lease_ends = 0.0  # monotonic seconds; 0: no reply queue has been declared
        self._unroutable: list[tuple[str, str]] = []  # what the broker says of those that it had no queue for, task ids

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
        self._confirms.begin()
        self._unroutable.clear()
        for queue, message in messages:
            self._confirms.sending(queue)
            _publish(self._producer, queue, message, self._reply_to, mandatory=True, timeout=self._timeout_s)
        self._confirms.wait(self._timeout_s)
        refused = [f"queue {queue} does not take it (full?)" for queue in self._confirms.refused.values()]
        if refusals := [*(said for said, _ in self._unroutable), *refused]:
            text = f"{len(refusals)} of {len(messages)} messages: {refusals[0]}"
            raise Refused(text, lasting=not refused, places=self._refused_places(messages))

    def _refused_places(self, messages: Sequence[Addressed]) -> frozenset[int] | None:
        places = {
            message.task_id: place for place, (_, message) in enumerate(messages) if isinstance(message, JobMessage)
        }
        returned = {places.get(task_id) for _, task_id in self._unroutable}
        known = {place for place in returned if place is not None}
        return None if len(known) < len(self._unroutable) else frozenset(known | self._confirms.refused.keys())

    def _keep_reply_queue(self) -> None:
        # Declaring it again is what keeps an expiring queue alive while nobody reads it.
        if self._reply_to and monotonic() >= self._lease_ends:
            reply_queue(self._reply_to)(self._replies).declare()
            self._lease_ends = monotonic() + REPLY_EXPIRES_S / 24

    def _on_return(self, error: Exception, exchange: str, routing_key: str, message: Any) -> None:
        # Its confirmation follows: RabbitMQ confirms what it could not route too, after having returned it.
        task_id = str(message.properties.get("correlation_id"))
        self._unroutable.append((f"queue {routing_key}: {error}", task_id))

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
