"""Answers of any length, written as they are read: JSON with one long list, Markdown tables."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection

from models.contracts.replies.outcome import encode
from models.store.connection.session import snapshot
from worker.cli.terminal.faults import said_of
from worker.cli.terminal.output import line
from worker.cli.terminal.progress import Advance
from worker.database import engine_for
from worker.encoding.visible import visible
from worker.settings.settings import load_settings


@contextmanager
def streaming() -> Iterator[Connection]:
    """A read-only transaction whose rows are shown while they come: nothing is drawn over them."""
    engine = engine_for(load_settings())
    try:
        with snapshot(engine) as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def bar(doing: str, total: int | None) -> Iterator[Advance | None]:
    """A bar on stderr where stdout goes elsewhere; what is read on the screen shows by itself how far it is."""
    if sys.stdout.isatty():
        yield None
        return
    with Advance(doing, total) as advance:
        yield advance


class StreamedJson:
    """One document: some fields, a list of which each item is written when it comes, and what is known at its end.

    A block: when it fails half way the document is JSON all the same, and says so in "error", which one that is whole
    does not have.
    """

    def __init__(self, head: Mapping[str, Any], many: str) -> None:
        self._between, self._ended = "\n    ", False
        fields = "".join(f"  {encode(name)}: {encode(value)},\n" for name, value in head.items())
        self._write(f"{{\n{fields}  {encode(many)}: [")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or self._ended or isinstance(error, BrokenPipeError):
            return
        sentence = said_of(error) if isinstance(error, Exception) else None
        with suppress(OSError):  # stdout takes no more: that is the error
            self.end({"error": sentence or f"{type(error).__name__}: see stderr"})

    def item(self, document: Mapping[str, Any]) -> None:
        self._write(self._between + encode(document))
        self._between = ",\n    "

    def end(self, tail: Mapping[str, Any]) -> None:
        self._ended = True
        closing = "]" if self._between == "\n    " else "\n  ]"
        fields = "".join(f",\n  {encode(name)}: {encode(value)}" for name, value in tail.items())
        self._write(f"{closing}{fields}\n}}\n")

    @staticmethod
    def _write(text: str) -> None:
        sys.stdout.write(visible(text, keep="\n"))


def markdown_header(names: Sequence[str], right: frozenset[str]) -> None:
    line(f"| {' | '.join(names)} |")
    line(f"|{'|'.join('---:' if name in right else '---' for name in names)}|")


def markdown_row(cells: Sequence[str]) -> None:
    """A row of a table: what strangers wrote stays in its cell."""
    line(f"| {' | '.join(map(plain, cells))} |")


def plain(text: str) -> str:
    """The text of a stranger in Markdown: neither markup nor HTML."""
    shown = visible(text).replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{char}" if char in "\\|`*_[]#!~" else char for char in shown)
