"""py-amqp's connection, given up at the first answer that does not come; no message is too broken for it.

Without the first a worker that is told to stop while its link is half-open waits for one answer after the other, each
for the whole timeout: every consumer is cancelled, every channel is closed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, Final

import structlog
from kombu import transport as kombu_transports
from kombu.transport import pyamqp

from tasks.reminder import Reminder
from worker.brokers.kept_queues import KeepsQueues
from worker.brokers.rabbitmq.frames import TcpTransport, TlsTransport
from worker.brokers.rabbitmq.unreadable import frame_handler
from worker.brokers.refusals import TakesNothing, next_step

_LOG: Final = structlog.get_logger(__name__)
_REMINDER: Final = Reminder()
_stock: Any = pyamqp  # its stubs leave out most of what is built on here


class Channel(KeepsQueues, _stock.Channel):  # type: ignore[misc]  # Any, see _stock
    """A channel that destroys no job."""

    @property
    def kept_queues(self) -> Collection[str]:  # type: ignore[override]  # of the connection, once it is made
        return getattr(self.connection, "kept_queues", ())  # a closed one has none


class Connection(_stock.Connection):  # type: ignore[misc]  # Any, see _stock
    """From a timeout on, whatever is asked of it fails at once; so does publishing while RabbitMQ takes nothing."""

    Channel = Channel

    def __init__(self, *args: Any, kept_queues: Collection[str] = (), **kwargs: Any) -> None:
        self.kept_queues = kept_queues
        super().__init__(*args, **{"frame_handler": frame_handler, **kwargs})

    def Transport(  # noqa: N802 - py-amqp's name
        self, host: str, connect_timeout: float | None, ssl: Any = False, read_timeout: float | None = None,
        write_timeout: float | None = None, **options: Any,
    ) -> Any:  # fmt: skip
        timeouts = {"connect_timeout": connect_timeout, "read_timeout": read_timeout, "write_timeout": write_timeout}
        return (TlsTransport if ssl else TcpTransport)(host, ssl=ssl, **timeouts, **options)

    def blocking_read(self, timeout: float | None = None) -> Any:
        if (frame := self.transport.frame_here()) is not None:
            return self.on_inbound_frame(frame)
        try:
            return super().blocking_read(timeout)
        except TimeoutError:
            if timeout is None:  # the socket's own: somebody waited for an answer
                self.collect()
            raise

    def _on_blocked(self) -> None:
        """RabbitMQ reads no further from a connection that has published: it is given up, with what was published."""
        error = TakesNothing()
        if _REMINDER.due("broker.blocked", ""):
            _LOG.error("broker.blocked", error=str(error), next=next_step(error, ""))
        self.collect()
        raise error


@contextmanager
def written_together(channel: Any) -> Iterator[None]:
    """What the block sends over the connection of a channel goes out at once, at its end. Any other than RabbitMQ's is
    left alone. Raises one of the connection's errors if it does not go out."""
    # Not its `transport`, which would connect again where there is none.
    transport = getattr(getattr(channel, "connection", None), "_transport", None)
    if not isinstance(transport, (TcpTransport, TlsTransport)):
        yield
        return
    with transport.held_back():
        yield


class Transport(_stock.Transport):  # type: ignore[misc]  # Any, see _stock
    """Celery and kombu see the AMQP transport."""

    Connection = Connection


class SSLTransport(_stock.SSLTransport):  # type: ignore[misc]  # Any, see _stock
    """The same over TLS."""

    Connection = Connection


def use_transport() -> None:
    """Say what amqp:// and amqps:// URLs mean in this process from now on."""
    for scheme, transport in (("amqp", Transport), ("pyamqp", Transport), ("amqps", SSLTransport)):
        kombu_transports.TRANSPORT_ALIASES[scheme] = f"{__name__}:{transport.__name__}"
        kombu_transports._transport_cache.pop(scheme, None)  # type: ignore[attr-defined]  # not in the stubs
