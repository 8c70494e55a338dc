"""Waiting for messages without taking any: one blocking look at each list, all at once, on the event loop."""

from __future__ import annotations

from time import monotonic
from typing import Any, Final

import structlog
from kombu.transport import redis
from redis.exceptions import OutOfMemoryError

from worker.brokers.redis.taking import TakingChannel

_LOG: Final = structlog.get_logger(__name__)
_stock: Any = redis  # its stubs leave out most of what is built on here


def peek_kind(key: str) -> str:
    """How a look at this list is called among the kinds of events of a channel."""
    return f"BLMOVE {key}"


class Peek:
    """A blocking look at one list: `BLMOVE list list RIGHT RIGHT` answers once there is a message and moves none.

    It has a connection of its own, because a blocked connection can wait for one such list only.
    """

    def __init__(self, channel: TakingChannel, key: str) -> None:
        self.key = key
        self.kind = peek_kind(key)
        self.client = channel.create_waiting_client()
        self.sent_at: float | None = None  # None: nothing was asked, or the answer has been read
        self._timeout_s = channel.brpop_timeout or 0
        self._server_is_full = False

    def send(self) -> None:
        """Ask. The answer makes the socket readable: at once when a message waits, else within the timeout."""
        self.sent_at = monotonic()
        if self._server_is_full:  # BLMOVE is refused then; this only lets the time pass on a list that never exists
            self.client.connection.send_command("BLPOP", f"{self.key}\0never", self._timeout_s)
        else:
            self.client.connection.send_command("BLMOVE", self.key, self.key, "RIGHT", "RIGHT", self._timeout_s)

    def read(self) -> bool:
        """Whether it is worth taking. Raises connection errors, the connection closed."""
        connection = self.client.connection
        try:
            answer = self.client.parse_response(connection, "BLMOVE")
        except OutOfMemoryError:
            self._server_is_full = True
            return True  # taking is allowed all the same, and makes room
        except BaseException:
            connection.disconnect()
            raise
        finally:
            self.sent_at = None
        was_full, self._server_is_full = self._server_is_full, False
        return was_full or answer is not None

    def drop(self) -> None:
        """Close the connection; the next tick opens another. A look has nothing to lose."""
        self.sent_at = None
        if self.client.connection is not None:
            self.client.connection.disconnect()

    def close(self) -> None:
        self.drop()
        self.client.close()


class Poller(_stock.MultiChannelPoller):  # type: ignore[misc]  # Any, see _stock
    """kombu's poller, with a look at each list in place of one BRPOP."""

    _channels: set[TakingChannel]

    def on_poll_start(self) -> None:
        for channel in tuple(self._channels):
            channel.on_tick()
        super().on_poll_start()

    def _register_BRPOP(self, channel: TakingChannel) -> None:  # noqa: N802  # kombu's name
        for peek in tuple(channel.peeks.values()):
            if not self._client_registered(channel, peek.client, peek.kind):
                peek.sent_at = None
                self._register(channel, peek.client, peek.kind)
            if peek.sent_at is None:
                peek.send()

    def forget(self, channel: TakingChannel, peek: Peek) -> None:
        """Stop watching, before the peek is closed."""
        sock = self._chan_to_sock.pop((channel, peek.client, peek.kind), None)
        fileno = sock.fileno() if sock is not None else -1
        if self._fd_to_chan.get(fileno) == (channel, peek.kind):
            self._unregister_from_poll(fileno)
            del self._fd_to_chan[fileno]

    def on_readable(self, fileno: int) -> Any:
        channel, kind = self._fd_to_chan.get(fileno, (None, None))
        peek = None if channel is None else channel.peeks.get(kind)
        if peek is None:
            return super().on_readable(fileno)
        # Also without room to take anything: the answer is read, or the readable socket would spin the event loop.
        return channel.look(peek)

    def maybe_restore_messages(self) -> None:
        """Channels may have records of their own (a partition's), so it is not enough to ask one of them."""
        keys = set()
        try:
            for channel in tuple(self._channels):
                channel.qos.renew()  # before the search: what this process holds is not abandoned
            for channel in tuple(self._channels):
                if channel.acknowledges and channel.unacked_key not in keys:
                    keys.add(channel.unacked_key)
                    channel.qos.restore_visible(
                        num=channel.unacked_restore_limit, interval=channel.unacked_restore_throttle
                    )
        except channel.connection_errors as error:
            _LOG.info("messages.not_restored", error=str(error) or repr(error), next="again with the next connection")

    def maybe_check_brpop_health(self) -> None:
        """Drop connections whose answer is overdue: the timeout is the server's, so the link is half-open."""
        for channel in self._channels:
            if not channel.brpop_timeout or not channel.health_check_interval:
                continue
            for peek in tuple(channel.peeks.values()):
                sock = getattr(peek.client.connection, "_sock", None)
                waited_s = 0.0 if peek.sent_at is None else monotonic() - peek.sent_at
                if waited_s < channel.brpop_timeout + channel.health_check_interval:
                    continue
                if sock is None or _stock._socket_readable(sock):
                    continue
                _LOG.warning(
                    "broker.silent", waited_s=round(waited_s), queue=peek.key, next="nothing: it connects anew"
                )
                peek.drop()
