"""A page of what is read: so many rows, and whether others follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

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


@dataclass(frozen=True, slots=True)
class Searched(Generic[T]):
    """What a search found that looks at so many rows and no more."""

    rows: tuple[T, ...]
    further: Any  # the id of the row after which the next one goes on; None: there is no more
    gave_up: bool  # it looked at as many as it may, and the page is not full
