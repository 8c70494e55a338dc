"""Times, amounts and documents as people read them, on a terminal and on a page alike."""

from __future__ import annotations

from datetime import UTC, datetime
from textwrap import indent

import msgspec

from models.domain.money import from_units


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


def age(seconds: float) -> str:
    """1.5 ms, 12.0 s, 12 min, 3.5 h"""
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def indented(json_text: str) -> str:
    """Stored JSON for people, with every digit that it has."""
    return msgspec.json.format(json_text, indent=2)


def readable(body: bytes) -> str:
    """The body of a message for people: JSON indented, anything else with its strange bytes made visible."""
    try:
        return indented(body.decode())
    except (UnicodeDecodeError, msgspec.DecodeError):
        return indent(body.decode("utf-8", "backslashreplace"), "  ", lambda _: True)  # no line of it begins as ours do
