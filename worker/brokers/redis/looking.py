"""What lies in the lists of a Redis broker, looked at from outside: nothing is taken, and never more than was said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

_AT_ONCE: Final = 500


def waiting(channel: Any, queue: str, most: int) -> Iterator[bytes]:
    """Up to `most` messages of a queue as the server keeps them, those that are taken next first."""
    for priority in channel.priority_steps:
        key = f"{channel.global_keyprefix}{channel._q_for_pri(queue, priority)}"
        for end in range(-1, -most - 1, -_AT_ONCE):
            found = channel.client.lrange(key, max(end - _AT_ONCE + 1, -most), end)
            yield from reversed(found)
            if len(found) < _AT_ONCE:
                break


def in_hand(channel: Any, key: str, most: int) -> Iterator[bytes]:
    """Up to about `most` messages that workers have and have not acknowledged, as the server keeps them."""
    records = channel.client.hscan_iter(f"{channel.global_keyprefix}{key}", count=_AT_ONCE)
    for _tag, record in islice(records, most):
        yield json.dumps(json.loads(record)[0]).encode()
