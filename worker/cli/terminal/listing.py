"""A page of a list, with the way to the next one: what all `list` commands write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from worker.cli.terminal.output import Column, remark, table, write_json

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """How rows of one kind are listed."""

    many: str  # what they are called
    field: str  # what --json calls them
    columns: Sequence[Column]
    cells: Callable[[T], list[str]]
    document: Callable[[T], Any]
    name: Callable[[T], Any]  # what the option for the next page takes
    way: str  # "before" or "after": where that page lies, and its option

    def show(self, found: Sequence[T], limit: int, nothing: str, *, as_json: bool) -> None:
        """Writes up to `limit` of the rows; one more found means that there is another page."""
        page, following = found[:limit], self.name(found[limit - 1]) if len(found) > limit else None
        if as_json:
            write_json({self.field: [self.document(row) for row in page], "next": following})
            return
        if not page:
            remark(nothing)
            return
        table(self.columns, [self.cells(row) for row in page])
        if following is not None:
            remark(f"for the {self.many} {self.way} these: --{self.way} {following}")
