"""What a channel is to its parts: the unacknowledged messages, the poller, the garbage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol


class Taken(NamedTuple):
    """One message of a queue, as the server keeps it, and the tag that it is recorded under."""

    queue: str
    tag: str
    raw: bytes


class TakingChannel(Protocol):
    """A channel that takes messages and records them in one step. What is kombu's own in it has no types."""

    server: Any
    closed: bool
    connection_errors: tuple[type[Exception], ...]
    conn_or_acquire: Any
    sep: str
    global_keyprefix: str
    unacked_key: str
    unacked_restore_limit: Any
    unacked_restore_throttle: Any
    brpop_timeout: Any
    health_check_interval: Any
    acknowledges: bool
    has_consumed: bool
    take_bytes: int
    garbage: Any
    garbage_key: str
    on_garbage: Any
    qos: Any

    @property
    def ticks(self) -> bool: ...

    @property
    def peeks(self) -> Mapping[str, Any]: ...

    def run(self, script: str, keys: list[str], arguments: list[Any], client: Any) -> Any: ...

    def create_waiting_client(self) -> Any: ...

    def on_tick(self) -> None: ...

    def look(self, peek: Any) -> bool: ...

    def _do_restore_message(self, message: Any, exchange: str, routing_key: str, pipe: Any) -> Any: ...
