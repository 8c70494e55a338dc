"""docs/guarantees.md promises nothing without a test that exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`((?:acceptance|integration|property|unit)/[\w/]+\.py)::(test_\w+)`", PAGE)
ROW = re.compile(r"^\|(?! *-)(.*)\|$", re.MULTILINE)


def missing(named: list[tuple[str, str]]) -> list[str]:
    """Of (file, test), those that are not there."""
    return [
        f"{file}::{test}"
        for file, test in named
        if not (path := ROOT / "tests" / file).is_file() or f"def {test}(" not in path.read_text(encoding="utf-8")
    ]


def test_every_test_that_the_page_names_exists() -> None:
    assert len(NAMED) > 40
    assert missing(NAMED) == []


def test_no_test_is_named_in_another_form() -> None:
    assert PAGE.count("test_") - PAGE.count("/test_") == len(NAMED)


def test_a_name_that_is_wrong_is_found() -> None:
    file, test = NAMED[0]
    assert missing([(file, f"{test}_of_nothing"), ("unit/nowhere.py", test)]) == [
        f"{file}::{test}_of_nothing",
        f"unit/nowhere.py::{test}",
    ]


def test_every_guarantee_of_the_worker_is_shown() -> None:
    section = PAGE.partition("## What the worker guarantees")[2].partition("\n## ")[0]
    rows = ROW.findall(section)[1:]
    assert len(rows) >= 9
    assert [row for row in rows if "::test_" not in row] == []
