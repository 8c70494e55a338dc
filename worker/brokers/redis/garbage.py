"""What somebody wrote to a queue and is no message: kept as it was, out of the way of the others."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import structlog
from kombu.utils.imports import symbol_by_name

from tasks.reminder import Reminder
from worker.brokers.redis.taking import Taken, TakingChannel

_LOG: Final = structlog.get_logger(__name__)
_AT_ONCE: Final = 100  # entries that the hook is given together


class Found(NamedTuple):
    """What lay in a queue, and the tag that it was taken under, which tells it from its equals."""

    queue: str
    tag: str
    raw: bytes


class Garbage:
    """The list `channel.garbage_key`. An entry is `queue NUL tag`, the channel's `sep`, and the bytes as they were."""

    def __init__(self, channel: TakingChannel) -> None:
        self._channel = channel
        self._put_aside = 0  # since the list was last looked at
        self._error: Exception | None = None
        self._kept = False  # whether the hook has failed
        self._reminder = Reminder()

    def push(self, queue: str | None, tag: str, raw: bytes) -> tuple[str, bytes]:
        """The list and the entry to push there. Without a queue `raw` is a whole record that cannot be read."""
        return self._channel.garbage_key, f"{queue or ''}\0{tag}{self._channel.sep}".encode() + raw

    def put_aside(self, taken: Taken, error: Exception) -> None:
        """Move what was taken from the unacknowledged messages to the list, in one step."""
        with self._channel.conn_or_acquire() as client:
            self._channel.qos.move([(taken.tag, [self.push(taken.queue, taken.tag, taken.raw)])], client)
        self._channel.qos.settle(taken.tag)
        self._put_aside, self._error = self._put_aside + 1, error

    def hand_on(self) -> None:
        """Once a batch has been looked through: say what was put aside, and drain the list when there is anything."""
        if self._put_aside:
            _LOG.error(
                "message.garbage", messages=self._put_aside, error=repr(self._error)[:200],
                kept_in=self._channel.garbage_key,
                next="somebody writes what is no Celery message; see `balance-worker dead-letters list`",
            )  # fmt: skip
        if self._put_aside or self._kept:
            self._put_aside, self._error = 0, None
            self.drain()

    def drain(self) -> int:
        """Give the entries to the channel's `on_garbage([Found, …])`; they leave the list when that returns.

        Workers may do so at once, so the hook must bear the same entry twice. What the hook failed for stays in the
        list, and is given again with the next batch or by the next consumer. Returns how many were given.
        """
        if self._channel.on_garbage is None:
            return 0
        hook: Any = symbol_by_name(self._channel.on_garbage)  # a callable is returned as it is
        drained = 0
        self._kept = False
        # kombu's client puts the key prefix in front of no key of the commands used here.
        key = f"{self._channel.global_keyprefix}{self._channel.garbage_key}"
        with self._channel.conn_or_acquire() as client:
            while entries := client.lrange(key, 0, _AT_ONCE - 1):
                try:
                    hook([self._found(entry) for entry in entries])
                except Exception as error:  # noqa: BLE001  # whatever the hook raises, the good messages must go on
                    self._kept = True
                    if self._reminder.due("message.garbage_kept", type(error).__name__):
                        _LOG.error(
                            "message.garbage_kept", kept_in=key, error=str(error),
                            next="it stays in that list of Redis, and is parked once the database is back",
                        )  # fmt: skip
                    break
                with client.pipeline(transaction=False) as pipe:
                    for entry in entries:
                        pipe.lrem(key, 1, entry)
                    pipe.execute()
                drained += len(entries)
        return drained

    def _found(self, entry: bytes) -> Found:
        origin, _, raw = entry.partition(self._channel.sep.encode())
        queue, _, tag = origin.decode().partition("\0")  # what an earlier version has put aside has no tag
        return Found(queue, tag, raw)
