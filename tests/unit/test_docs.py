"""Tables in the docs have a row for each code that the product can say, and for no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from models.domain.letters import FOLLOW_UPS, GARBAGE

ROOT = Path(__file__).resolve().parents[2]
LOGGERS = {"_LOG", "_log"}
LOUD = {"warning", "error", "exception", "critical"}


def _calls() -> Iterator[tuple[Path, ast.Call]]:
    for folder in ("models", "tasks", "worker", "clients/python/src"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    yield path, node


def _reasons() -> set[str]:
    """Every reason for which a message is parked: those of Malformed, and what the partition and the transport park."""
    found = {"failed", GARBAGE, *FOLLOW_UPS}
    for path, node in _calls():
        if isinstance(node.func, ast.Name) and node.func.id == "Malformed":
            reason = node.args[0]
            assert isinstance(reason, ast.Constant), f"{path}:{node.lineno}: write the reason as a literal"
            found.add(str(reason.value))
    return found


def test_operations_say_what_to_do_for_every_reason_of_a_dead_letter() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.partition("## Dead letters")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == _reasons()


def _warnings() -> dict[str, ast.Call]:
    """What is logged as a warning or an error: by its event, or by its sentence with … for what is filled in."""
    found = {}
    for path, node in _calls():
        match node.func:
            case ast.Attribute(value=logger, attr=level) if level in LOUD and node.args:
                event = node.args[0]
                if isinstance(event, ast.Constant):
                    found[str(event.value).replace("%s", "…")] = node
                else:
                    is_ours = isinstance(logger, ast.Name) and logger.id in LOGGERS
                    assert not is_ours, f"{path}:{node.lineno}: write the event as a literal"
    return found


def test_operations_say_what_to_do_for_every_warning_and_error_of_the_log() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.partition("## When something fails")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    assert all(len(row) == 3 for row in rows)
    told = [name for seen, _, _ in rows for name in re.findall(r"`([^`]+)`", seen) if "." in name or "…" in name]
    assert sorted(told) == sorted(_warnings())


def test_every_event_says_what_is_next() -> None:
    events = {event: call for event, call in _warnings().items() if re.fullmatch(r"[a-z_]+\.[a-z_]+", event)}
    assert len(events) > 10
    for event, call in events.items():
        assert {"next", None} & {keyword.arg for keyword in call.keywords}, f"{event}: say what to do, as `next`"
