"""What a Redis broker is still to be told. It outlives a connection: the next one to the same broker carries it on."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Any, Final


class Pending:
    """Delivery tags on their way to one broker."""

    def __init__(self) -> None:
        self.acked: deque[str] = deque()  # any thread appends
        self.returned: deque[str] = deque()  # taken, perhaps, and handed to nobody


PENDING: Final[defaultdict[tuple[Any, ...], Pending]] = defaultdict(Pending)


def unsent() -> int:
    """Acknowledgements of this process that no broker has been told yet."""
    return sum(len(pending.acked) for pending in PENDING.values())
