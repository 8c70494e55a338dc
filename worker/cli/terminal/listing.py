"""A page of a list, with the way to the next one: what all `list` commands write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from models.store.read.page import Page
from worker.cli.terminal.output import remark, write_json
from worker.cli.terminal.tables import Column, table

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

    def show(self, page: Page[T], nothing: str, *, as_json: bool) -> None:
        """Writes the page, and how to get to the next one. `nothing` is said when it is empty."""
        following = None if page.last is None else self.name(page.last)
        if as_json:
            write_json({self.field: [self.document(row) for row in page.rows], "next": following})
            return
        if not page.rows:
            remark(nothing)
            return
        table(self.columns, [self.cells(row) for row in page.rows])
        if following is not None:
            remark(f"for the {self.many} {self.way} these: --{self.way} {following}")
