"""Tables, facts and headings: what people read, on stdout."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from worker.cli.terminal.output import line
from worker.encoding.visible import visible

_PIPE_WIDTH: Final = 100_000  # into a pipe or a file no line is broken
_GAP: Final = 2  # spaces between columns
_LF: Final = "\n"
_FOLDED_MIN: Final = 8  # characters of a column that may be folded


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    right: bool = False  # numbers
    whole: bool = False  # ids and times: to be copied, so never broken into two lines
    optional: bool = False  # left out when nothing stands in it


def console() -> Console:
    """Rich on stdout. Colours only on a terminal, and not when NO_COLOR is set."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Rows under their columns, or one below the other where the terminal is too narrow. Nothing is ever cut off."""
    columns, rows = _filled(columns, rows)
    if _narrow(columns, rows):
        for number, row in enumerate(rows):
            if number:
                line("")
            facts({column.name: value for column, value in zip(columns, row, strict=True)})
        return
    grid = Table(box=None, header_style="bold", pad_edge=False, padding=(0, _GAP, 0, 0))
    for column in columns:
        justify: Literal["left", "right"] = "right" if column.right else "left"
        grid.add_column(column.name, justify=justify, overflow="fold", no_wrap=column.whole or column.right)
    for row in rows:
        grid.add_row(*(_cell(visible(value)) for value in row))
    _print(grid)


def _filled(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> tuple[list[Column], list[Sequence[str]]]:
    """Without the optional columns in which no row has anything."""
    kept = [number for number, column in enumerate(columns) if not column.optional or any(row[number] for row in rows)]
    return [columns[number] for number in kept], [[row[number] for number in kept] for row in rows]


def _narrow(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> bool:
    """Whether the terminal has no room for the columns that must stay whole and a little of each other one."""
    widths = [max(map(cell_len, texts)) for texts in zip((column.name for column in columns), *rows, strict=True)]
    least = [
        width if column.whole or column.right else min(width, _FOLDED_MIN)
        for column, width in zip(columns, widths, strict=True)
    ]
    return sum(least) + _GAP * len(columns) > console().width


def facts(pairs: Mapping[str, str]) -> None:
    """Names and values; what has no value is left out."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, value in pairs.items():
        if value:
            grid.add_row(_cell(visible(name)), _cell(value))
    _print(grid)


def heading(text: str) -> None:
    console().print(f"\n[bold]{text}[/bold]")


def _print(grid: Table) -> None:
    """Without the spaces with which rich fills the last column."""
    out = console()
    with out.capture() as captured:
        out.print(grid)
    for text in captured.get().removesuffix(_LF).split(_LF):
        sys.stdout.write(f"{text.rstrip()}\n")  # with rich's own colours; the cells are safe to show


def _cell(value: str) -> Text:
    return Text(visible(value, keep=_LF))
