"""A queue of RabbitMQ made anew: its arguments cannot be changed, its messages can be moved.

    aside       a queue beside it takes them all, in their order
    delete      only when it is empty and nobody consumes it: what is published meanwhile is moved too
    declare     as workers want it
    back        the messages return, and the queue beside it goes

Each message is given to the other queue and confirmed before it is taken from the first: whoever is interrupted
repeats the command, and at most one message is there twice, which its key makes harmless.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Generator, Mapping, Sized
from threading import Event
from time import monotonic
from typing import Any, Final

from amqp.exceptions import AMQPNotImplementedError, NotFound, PreconditionFailed

from balance_client.routing import queue_arguments, undropped

_AHEAD: Final = 100  # messages that may be on their way here
_LAST_S: Final = 0.2  # after the last message: RabbitMQ does not say which is the last
_QUIET_S: Final = 1.0  # without a message, and nobody publishes any more


class InUse(Exception):
    """Somebody consumes the queue or publishes to it: a message could be missed."""


class Remaking:
    """`connection`: kombu's, open, to RabbitMQ. `wanted`: the arguments that the queue shall have."""

    def __init__(self, connection: Any, queue: str, wanted: Mapping[str, Any]) -> None:
        self._connection = connection
        self._queue, self._aside = queue, f"{queue}.aside"
        self._wanted = dict(wanted)

    def run(self) -> Generator[None]:
        """Does it; yields for each message that was moved, there and back.

        Raises InUse, and what RabbitMQ says when it does not let us.
        """
        if not self._is_as_wanted():
            self._declare(self._aside, queue_arguments("amqp://") or {})
            while self._is_there(self._queue):
                yield from self._move(self._queue, self._aside)
                if self._delete(self._queue):
                    break  # a worker that waits for it may have made it again by now, as wanted
            self._declare(self._queue, self._wanted)
        if self._is_there(self._aside):  # of this run, or of one that was interrupted
            yield from self._move(self._aside, self._queue)
            self._delete(self._aside)

    def _is_as_wanted(self) -> bool:
        if self._count(self._queue) is None:
            return False
        try:
            self._declare(self._queue, self._wanted)
        except PreconditionFailed:
            return False
        return True

    def _is_there(self, queue: str) -> bool:
        consumers = self._count(queue)
        if consumers:
            raise InUse(f"{queue} has {consumers} consumers: stop the workers that serve it, then repeat")
        return consumers is not None

    def _count(self, queue: str) -> int | None:
        """The consumers of a queue; None when it is not there."""
        channel = self._connection.channel()
        try:
            found = channel.queue_declare(queue, passive=True)
        except NotFound:
            return None
        channel.close()
        return int(found.consumer_count)

    def _declare(self, queue: str, arguments: dict[str, Any]) -> None:
        channel = self._connection.channel()
        arguments = undropped(arguments, self._connection.connection.server_properties) or {}
        channel.queue_declare(queue, durable=True, auto_delete=False, arguments=arguments)
        channel.close()

    def _move(self, source: str, target: str) -> Generator[None]:
        taking, giving = self._connection.channel(), self._connection.channel()
        come = deque[Any]()
        taking.basic_qos(0, _AHEAD, False)
        taking.basic_consume(source, callback=come.append)  # a partition allows no basic.get
        while come or self._more_comes(source, come):
            message = come.popleft()
            # With all its properties, as it came. Raises when it is returned or refused.
            giving.basic_publish_confirm(message, exchange="", routing_key=target, mandatory=True)
            taking.basic_ack(message.delivery_tag)
            yield
        taking.close()
        giving.close()

    def _more_comes(self, source: str, come: Sized) -> bool:
        """Waits until there is one more, or none waits and none has been on its way for a while."""
        channel = self._connection.channel()
        silent = False
        while not come and not silent:
            silent = channel.queue_declare(source, passive=True).message_count == 0
            deadline = monotonic() + _LAST_S
            while not come and (left := deadline - monotonic()) > 0:
                with contextlib.suppress(TimeoutError):
                    self._connection.drain_events(timeout=left)
        channel.close()
        return bool(come)

    def _delete(self, queue: str) -> bool:
        """Whether it is gone: only when it is empty and nobody consumes it."""
        try:
            with self._connection.clone() as own:  # a refusal may close the whole connection
                own.channel().queue_delete(queue, if_unused=True, if_empty=True)
        except PreconditionFailed:
            return False
        except AMQPNotImplementedError:  # a quorum queue is deleted without conditions, or not at all
            self._delete_quiet(queue)
        return True

    def _delete_quiet(self, queue: str) -> None:
        Event().wait(_QUIET_S)
        channel = self._connection.channel()
        found = channel.queue_declare(queue, passive=True)
        if found.message_count or found.consumer_count:
            raise InUse(f"somebody still publishes to {queue}, or consumes it: stop them, then repeat")
        if lost := channel.queue_delete(queue):
            raise InUse(f"{lost} messages were published to {queue} while it was deleted, and are gone: publish again")
        channel.close()
