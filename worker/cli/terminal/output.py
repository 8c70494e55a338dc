"""What commands write: tables and facts for people, JSON for programs on stdout; remarks on stderr."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from worker.encoding.visible import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]
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
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def write_json(document: Any) -> None:
    """One document. Decimals are numbers with every digit, times RFC 3339 in UTC with microseconds."""
    from msgspec.json import format as indented

    from models.contracts.replies.outcome import encode

    block(indented(encode(document), indent=2))


def raw(json_text: str | None) -> Any:
    """Stored JSON, to be put into a document as it is: parsing it would turn its decimals into floats."""
    import msgspec

    return None if json_text is None else msgspec.Raw(json_text.encode())


def indented(json_text: str) -> str:
    """Stored JSON for people."""
    from msgspec.json import format as indented

    return indented(json_text, indent=2)


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Rows under their columns, or one below the other where the terminal is too narrow. Nothing is ever cut off."""
    from rich.table import Table

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
    from rich.cells import cell_len

    widths = [max(map(cell_len, texts)) for texts in zip((column.name for column in columns), *rows, strict=True)]
    least = [
        width if column.whole or column.right else min(width, _FOLDED_MIN)
        for column, width in zip(columns, widths, strict=True)
    ]
    return sum(least) + _GAP * len(columns) > console().width


def facts(pairs: Mapping[str, str]) -> None:
    """Names and values; what has no value is left out."""
    from rich.table import Table

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, value in pairs.items():
        if value:
            grid.add_row(_cell(visible(name)), _cell(value))
    _print(grid)


def heading(text: str) -> None:
    console().print(f"\n[bold]{text}[/bold]")


def line(text: str) -> None:
    """A line of the answer. Whatever of it strangers wrote, it stays one, and steers no terminal."""
    sys.stdout.write(f"{visible(text)}\n")


def block(text: str) -> None:
    """Lines of the answer: a document whose line feeds are ours."""
    sys.stdout.write(f"{visible(text, keep=_LF)}\n")


def remark(text: str) -> None:
    """A line beside the answer: it does not disturb a program that reads stdout."""
    sys.stderr.write(f"{visible(text)}\n")


def when(at: datetime | None) -> str:
    """2027-01-31T12:00:00Z"""
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def decimal(units: int | None, scale: int | None) -> str:
    """12.50 for 1250 units at scale 2, with all decimals of the scale."""
    from models.domain.money import from_units

    return "" if units is None or scale is None else format(from_units(units, scale), "f")


def signed(units: int | None, scale: int | None) -> str:
    """The same with a sign: +12.50"""
    text = decimal(units, scale)
    return f"+{text}" if text and not text.startswith("-") else text


def _print(grid: Table) -> None:
    """Without the spaces with which rich fills the last column."""
    out = console()
    with out.capture() as captured:
        out.print(grid)
    for text in captured.get().removesuffix(_LF).split(_LF):
        sys.stdout.write(f"{text.rstrip()}\n")  # with rich's own colours; the cells are safe to show


def _cell(value: str) -> Text:
    from rich.text import Text

    return Text(visible(value, keep=_LF))
