"""CSV that a spreadsheet opens: numbers to the last digit, and no text of strangers as a formula."""

from __future__ import annotations

import ast
import csv  # noqa: TID251  # reading alone
import io
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.encoding.spreadsheet import MARK, Spreadsheet, harmless

ROOT = Path(__file__).resolve().parents[2]
HOME = "worker/encoding/spreadsheet.py"
BEGINS = "=+-@\t\r\n＝＋－＠"


def written(*cells: object) -> list[str]:
    file = io.StringIO(newline="")
    Spreadsheet(file, ["head"] * len(cells)).row(*cells)  # type: ignore[arg-type]
    text = file.getvalue()
    assert text.startswith(MARK)
    return list(csv.reader(io.StringIO(text[1:], newline=""), strict=True))[1]


@pytest.mark.parametrize("char", BEGINS)
@pytest.mark.parametrize("before", ["", " ", "a;", "a\t", "a\n", "a; "])
def test_what_could_be_a_formula_is_a_text(char: str, before: str) -> None:
    [cell] = written(f"{before}{char}cmd|' /C calc'!A0")
    last = cell.replace("\t", ";").split(";")[-1]
    assert last.lstrip()[0] not in BEGINS
    assert "'" in last[: last.index("cmd")]


@given(st.text())
def test_no_text_whatever_begins_a_formula_in_any_cell(text: str) -> None:
    """Also where a spreadsheet separates cells by semicolons or tabs."""
    [cell] = written(text)
    for part in cell.replace("\t", ";").splitlines() or [cell]:
        assert not any(piece.lstrip().startswith(tuple(BEGINS)) for piece in part.split(";"))


@pytest.mark.parametrize("text", ["", "Order 7", "a=b", "1-2", "Анна", 'say "no", please', "x@example.com"])
def test_other_texts_are_what_they_were(text: str) -> None:
    assert written("first", text) == ["first", text]


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**18), max_value=10**18))
def test_numbers_are_whole_and_no_texts(number: Decimal) -> None:
    [cell] = written(number)
    assert Decimal(cell) == number
    assert "E" not in cell
    assert "'" not in cell


def test_other_cells() -> None:
    assert written(7, None, datetime(2030, 1, 2, tzinfo=UTC), Decimal("-0.50")) == [
        *("7", "", "2030-01-02T00:00:00+00:00", "-0.50")
    ]


def test_what_moves_a_cursor_is_spelled_out() -> None:
    assert harmless("\x1b[31mred\u202e") == "\\u001b[31mred\\u202e"


def test_csv_is_written_in_one_place() -> None:
    writing = {"csv.writer", "csv.DictWriter"}
    found = set()
    for folder in ("models", "tasks", "worker", "clients/python/src"):
        for path in (ROOT / folder).rglob("*.py"):
            names = {
                ast.unparse(node) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)
            }
            if names & writing:
                found.add(str(path.relative_to(ROOT)))
    assert found == {HOME}
