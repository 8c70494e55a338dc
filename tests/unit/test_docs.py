"""Tables in the docs have a row for each code that the product can say."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from models.domain.letters import FOLLOW_UP, GARBAGE

ROOT = Path(__file__).resolve().parents[2]


def _reasons() -> set[str]:
    """Every reason for which a message is parked: those of Malformed, and what the lane and the transport park."""
    found = {"failed", GARBAGE, FOLLOW_UP}
    for folder in ("models", "tasks", "worker"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Malformed":
                    reason = node.args[0]
                    assert isinstance(reason, ast.Constant), f"{path}:{node.lineno}: write the reason as a literal"
                    found.add(str(reason.value))
    return found


def test_operations_say_what_to_do_for_every_reason_of_a_dead_letter() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.partition("## Dead letters")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == _reasons()
