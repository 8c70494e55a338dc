"""A page of what is read: so many rows, and whether others follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Up to as many rows as were asked for, in the order in which they are read."""

    rows: tuple[T, ...]
    more: bool  # others follow

    @classmethod
    def of(cls, found: Sequence[T], limit: int) -> Page[T]:
        """The page of `limit` rows. `found`: one row more where there is another page."""
        return cls(tuple(found[:limit]), more=len(found) > limit)

    @property
    def last(self) -> T | None:
        """The row after which the next page begins; None when there is no other page."""
        return self.rows[-1] if self.more else None
