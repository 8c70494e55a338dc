"""The fenced blocks of our documents, as a reader sees them."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
_FENCED: Final = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    document: str
    language: str
    text: str
    shown: str | None  # what it writes, when a block of `text` after it says so; … stands for anything

    @property
    def begins(self) -> str:
        return self.text.lstrip("\n").partition("\n")[0]

    @property
    def script(self) -> str:
        """What is typed: of a console's lines those with a prompt."""
        if self.language != "console":
            return self.text
        return "\n".join(line.removeprefix("$ ") for line in self.text.splitlines() if line.startswith("$ "))

    def has_shown(self, written: str) -> bool:
        """Whether the output is as the document shows it."""
        if self.shown is None:
            return True
        pattern = ".*".join(re.escape(part) for part in self.shown.rstrip("\n").split("…"))
        return re.fullmatch(pattern, written.rstrip("\n"), re.DOTALL) is not None


@cache
def documents() -> tuple[str, ...]:
    """Every page that is part of the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return tuple(sorted(listed.split()))


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def blocks_of(document: str) -> list[Block]:
    """In their order; what a block writes belongs to it."""
    text = text_of(document)
    found: list[Block] = []
    end = 0
    for match in _FENCED.finditer(text):
        language, content = match[2], re.sub(f"^{match[1]}", "", match[3], flags=re.MULTILINE)
        if language == "text" and found and not text[end : match.start()].strip():
            last = found.pop()
            found.append(Block(document, last.language, last.text, content))
        else:
            found.append(Block(document, language, content, None))
        end = match.end()
    return found


def block(document: str, begins: str) -> Block:
    """The one that begins so."""
    [found] = [each for each in blocks_of(document) if each.text.startswith(begins)]
    return found
