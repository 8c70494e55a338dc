"""CSV as spreadsheets open it: the one place that writes it, since a text of strangers may be a formula there.

Numbers are written digit by digit and never quoted. A text that a spreadsheet could take for a formula is preceded by
an apostrophe, which makes it a text: when it begins with = + - @, a tab or a line end, also behind spaces, in the wide
forms of East Asian keyboards, or behind a semicolon, a tab or a line end, which separate cells in some countries. What
moves a cursor is spelled out as everywhere. A mark at the beginning says that it is UTF-8.
"""

from __future__ import annotations

import csv  # noqa: TID251  # here alone: whatever is written goes through `harmless`
import re
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final, TextIO

from worker.encoding.visible import visible

Cell = str | int | Decimal | datetime | None
MARK: Final = "\ufeff"
_FORMULA: Final = re.compile(r"(^|[;\t\r\n])(\s*)(?=[=+\-@\t\r\n＝＋－＠])")


def harmless(text: str) -> str:
    """The text as a spreadsheet shows it: as a text, whatever it begins with."""
    return visible(_FORMULA.sub(r"\1'\2", text) if _FORMULA.search(text) else text)


class Spreadsheet:
    """Rows written to a file as they come."""

    def __init__(self, file: TextIO, header: Iterable[str]) -> None:
        self._writer = csv.writer(file, lineterminator="\r\n")
        file.write(MARK)
        self.row(*header)

    def row(self, *cells: Cell) -> None:
        self._writer.writerow([_written(cell) for cell in cells])


def _written(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case str():
            return harmless(cell)
        case Decimal():
            return format(cell, "f")
        case datetime():
            return cell.isoformat()
        case _:
            return str(int(cell))
