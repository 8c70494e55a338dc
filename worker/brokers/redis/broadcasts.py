"""What Redis hands out to everybody: remote control, and events where somebody listens. kombu ends at some of it."""

from __future__ import annotations

from queue import Empty
from typing import Any, Final

import structlog
from kombu.transport import redis

from tasks.reminder import Reminder

_LOG: Final = structlog.get_logger(__name__)
_stock: Any = redis  # its stubs leave out most of what is built on here
NO_MESSAGE: Final = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What reading one raises that is none."""


class Broadcasts(_stock.Channel):  # type: ignore[misc]  # Any, see _stock
    """A channel that drops what is no message. Nobody waits for a broadcast: there is nothing to be kept of it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._reminder = Reminder()
        super().__init__(*args, **kwargs)

    def _receive_one(self, client: Any) -> Any:
        try:
            return super()._receive_one(client)
        except NO_MESSAGE as error:
            if self._reminder.due("broadcast.garbage", ""):
                _LOG.warning(
                    "broadcast.garbage", error=repr(error)[:200],
                    next="find out who publishes what is no message; docs/security.md has an ACL against it",
                )  # fmt: skip
            raise Empty from error
