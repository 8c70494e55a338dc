"""What commands write: lines for people, JSON for programs on stdout; remarks on stderr. Loads nothing that draws."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Final

import msgspec
import typer

from models.contracts.replies.outcome import encode
from worker.encoding.visible import visible

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]
_LF: Final = "\n"


def write_json(document: Any) -> None:
    """One document. Decimals are numbers with every digit, times RFC 3339 in UTC with microseconds."""
    block(msgspec.json.format(encode(document), indent=2))


def raw(json_text: str | None) -> Any:
    """Stored JSON, to be put into a document as it is: parsing it would turn its decimals into floats."""
    return None if json_text is None else msgspec.Raw(json_text.encode())


def line(text: str) -> None:
    """A line of the answer. Whatever of it strangers wrote, it stays one, and steers no terminal."""
    sys.stdout.write(f"{visible(text)}\n")


def block(text: str) -> None:
    """Lines of the answer: a document whose line feeds are ours."""
    sys.stdout.write(f"{visible(text, keep=_LF)}\n")


def remark(text: str) -> None:
    """A line beside the answer: it does not disturb a program that reads stdout."""
    sys.stderr.write(f"{visible(text)}\n")
