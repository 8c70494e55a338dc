"""Acknowledgements on their way to Redis: they ride along with whatever goes there."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any


class AcksInPipeline:
    """Acknowledgements in a pipeline; they wait again when the block fails."""

    def __init__(self, pipe: Any, acked: deque[str], unacked_key: str, index_key: str) -> None:
        self._pipe, self._acked = pipe, acked
        self._unacked_key, self._index_key = unacked_key, index_key
        self._tags: list[str] = []

    def __enter__(self) -> None:
        self._tags = list(drain(self._acked))
        if self._tags:
            self._pipe.hdel(self._unacked_key, *self._tags)
            self._pipe.zrem(self._index_key, *self._tags)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._acked.extendleft(reversed(self._tags))


def drain(tags: deque[str]) -> Iterator[str]:
    """All that is there, also while other threads add to it."""
    while True:
        try:
            yield tags.popleft()
        except IndexError:
            return
