"""What somebody wrote to a queue and is no message: kept as it was, out of the way of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import structlog
from kombu.utils.imports import symbol_by_name

if TYPE_CHECKING:
    from worker.transport import Channel, Taken

_LOG: Final = structlog.get_logger(__name__)


class Garbage:
    """The list `channel.garbage_key`. An entry is the queue, the channel's `sep`, and the bytes as they were."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def push(self, queue: str | None, raw: bytes) -> tuple[str, bytes]:
        """The list and the entry to push there. Without a queue `raw` is a whole record that cannot be read."""
        return self._channel.garbage_key, f"{queue or ''}{self._channel.sep}".encode() + raw

    def put_aside(self, taken: Taken, error: Exception) -> None:
        """Move what was taken from the unacknowledged messages to the list, in one step."""
        with self._channel.conn_or_acquire() as client:
            self._channel.qos.move([(taken.tag, [self.push(taken.queue, taken.raw)])], client)
        self._channel.qos.settle(taken.tag)
        _LOG.error(
            "message.garbage", queue=taken.queue, bytes=len(taken.raw), error=repr(error)[:200],
            kept_in=self._channel.garbage_key,
            next="somebody writes to the queue what is no Celery message; look at the list",
        )  # fmt: skip
        self.drain()

    def drain(self) -> int:
        """Give each entry to the channel's `on_garbage(queue, raw)`; it leaves the list when that returns.

        Workers may do so at once, so the hook must bear the same entry twice. Returns how many were given.
        """
        if self._channel.on_garbage is None:
            return 0
        hook: Any = symbol_by_name(self._channel.on_garbage)  # type: ignore[arg-type]  # a callable is returned as it is
        drained = 0
        # kombu's client puts the key prefix in front of no key of the commands used here.
        key = f"{self._channel.global_keyprefix}{self._channel.garbage_key}"
        with self._channel.conn_or_acquire() as client:
            while (entry := client.lindex(key, 0)) is not None:
                queue, _, raw = entry.partition(self._channel.sep.encode())
                try:
                    hook(queue.decode(), raw)
                except Exception:  # noqa: BLE001  # whatever the hook raises, the good messages must go on
                    _LOG.exception("message.garbage_kept", queue=queue.decode(), kept_in=key)
                    break
                client.lrem(key, 1, entry)
                drained += 1
        return drained
