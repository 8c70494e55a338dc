"""How many requests a key may make: a bucket that fills by so many a second and holds a second's worth."""

from __future__ import annotations

from math import ceil
from time import monotonic


class RateLimiter:
    """Buckets by key. `per_s`: of keys that say nothing of their own."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._buckets: dict[str, tuple[float, float]] = {}  # tokens left, when that was

    def wait_s(self, key_id: str, per_s: float | None) -> int:
        """Takes one; 0 when there was one, else after how many whole seconds there will be."""
        rate, at = per_s or self._per_s, monotonic()
        most = max(1.0, rate)
        left, before = self._buckets.get(key_id, (most, at))
        left = min(most, left + (at - before) * rate)
        taken = left >= 1
        self._buckets[key_id] = (left - 1 if taken else left, at)
        return 0 if taken else max(1, ceil((1 - left) / rate))
