"""What commands write: lines for people, JSON for programs on stdout; remarks on stderr. Loads nothing that draws."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
import typer

from models.contracts.replies.outcome import encode
from models.domain.money import from_units
from worker.encoding.visible import visible

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]
_LF: Final = "\n"


def write_json(document: Any) -> None:
    """One document. Decimals are numbers with every digit, times RFC 3339 in UTC with microseconds."""
    block(msgspec.json.format(encode(document), indent=2))


def raw(json_text: str | None) -> Any:
    """Stored JSON, to be put into a document as it is: parsing it would turn its decimals into floats."""
    return None if json_text is None else msgspec.Raw(json_text.encode())


def indented(json_text: str) -> str:
    """Stored JSON for people."""
    return msgspec.json.format(json_text, indent=2)


def line(text: str) -> None:
    """A line of the answer. Whatever of it strangers wrote, it stays one, and steers no terminal."""
    sys.stdout.write(f"{visible(text)}\n")


def block(text: str) -> None:
    """Lines of the answer: a document whose line feeds are ours."""
    sys.stdout.write(f"{visible(text, keep=_LF)}\n")


def remark(text: str) -> None:
    """A line beside the answer: it does not disturb a program that reads stdout."""
    sys.stderr.write(f"{visible(text)}\n")


def when(at: datetime | None) -> str:
    """2027-01-31T12:00:00Z"""
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def decimal(units: int | None, scale: int | None) -> str:
    """12.50 for 1250 units at scale 2, with all decimals of the scale."""
    return "" if units is None or scale is None else format(from_units(units, scale), "f")


def signed(units: int | None, scale: int | None) -> str:
    """The same with a sign: +12.50"""
    text = decimal(units, scale)
    return f"+{text}" if text and not text.startswith("-") else text
