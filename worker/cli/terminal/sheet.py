"""CSV for spreadsheets, which take a text for a formula when it begins like one: no stranger's text does."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain
from typing import Final

Cell = str | int | Decimal | datetime | None

# As the usual programs take them, the wide forms of East Asian keyboards too, and where white space stands before them.
_FORMULAS: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_CUT_OFF: Final = ("\t", "\r", "\n")
_BEFORE_TEXT: Final = "'"  # shown by none of them, and taken for "what follows is text"


def csv_lines(names: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """The lines of RFC 4180, each with its end. Numbers stay numbers, with every digit; times are RFC 3339, in UTC.

    A text that would be a formula, like `=HYPERLINK(…)`, has an apostrophe before it.
    """
    for row in chain([names], rows):
        line = io.StringIO()
        csv.writer(line).writerow([_written(cell) for cell in row])
        yield line.getvalue()


def _written(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case str():
            unsafe = cell.startswith(_CUT_OFF) or cell.lstrip().startswith(_FORMULAS)
            return f"{_BEFORE_TEXT}{cell}" if unsafe else cell
        case datetime():
            return cell.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Decimal():
            return format(cell, "f")
        case _:
            return str(cell)
