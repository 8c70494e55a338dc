"""docs/architecture.md and CONTRIBUTING.md against the code: what they name is there, and every room is named."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("docs/architecture.md", "CONTRIBUTING.md")
PACKAGES = ("models", "tasks", "worker", "clients/python/src")
_NAMED = re.compile(r"`((?:models|tasks|worker|clients|tests|docs|benchmarks)/[\w/.-]*)(?::([\w.]+))?`")


@cache
def _names(file: Path) -> set[str]:
    """`function`, `Class` and `Class.method` of a module."""
    found: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{each.name}" for each in node.body if isinstance(each, ast.FunctionDef)}
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
    return found


@pytest.mark.parametrize("page", PAGES)
def test_what_is_named_is_there(page: str) -> None:
    named = _NAMED.findall((ROOT / page).read_text(encoding="utf-8"))
    assert named
    missing = [path for path, _ in named if not (ROOT / path).exists()]
    missing += [f"{path}:{name}" for path, name in named if name and name not in _names(ROOT / path)]
    assert missing == []


def test_every_room_is_on_the_map() -> None:
    page = (ROOT / PAGES[0]).read_text(encoding="utf-8")
    rooms = {
        file.parent.relative_to(ROOT)
        for package in PACKAGES
        for file in (ROOT / package).rglob("*.py")
        if file.name != "__init__.py"
    }
    known = {Path(path) for path, _ in _NAMED.findall(page)}
    inside = {Path("worker/cli"), Path("worker/doctor"), Path("models/migrations")}  # named as a whole
    inside.add(Path("clients/python/src/balance_client/django"))
    unnamed = {room for room in rooms if room not in known and not any(room.is_relative_to(each) for each in inside)}
    assert unnamed == set()


def test_a_room_holds_a_dozen_files_of_one_size() -> None:
    lengths: dict[Path, list[int]] = {}
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            if file.name != "__init__.py":
                lengths.setdefault(file.parent, []).append(len(file.read_text(encoding="utf-8").splitlines()))
    assert {str(room): len(files) for room, files in lengths.items() if len(files) > 12} == {}
    every = sorted(length for files in lengths.values() for length in files)
    assert every[-1] <= 300
    assert every[len(every) // 2] <= 100
