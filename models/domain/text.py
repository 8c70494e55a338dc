"""Whatever a publisher sent, as a database can hold it and a person can be shown it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_SHOWN_MAX: Final = 200  # characters of an input that are sent back
_INT64: Final = 2**63
_LONG: Final = 10**4300  # Python writes no longer integer, and where it is told to, it takes its time


def storable_text(text: str) -> str:
    """The text with what no database can hold made visible: NUL as \\0, a lone surrogate as a question mark."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\\0")


def storable(value: Any) -> Any:
    """The value as a JSON column can hold it."""
    if isinstance(value, Mapping):
        return {storable_text(str(storable(key))): storable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [storable(item) for item in value]
    if isinstance(value, int) and abs(value) >= _LONG:
        return f"an integer of {value.bit_length()} bits"
    if value is None or isinstance(value, (bool, int)):
        return value
    return storable_text(value if isinstance(value, str) else str(value))


def shown(value: Any) -> Any:
    """The input, unless it is too large or too strange to be sent back."""
    value = storable(value)
    if value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) < _INT64):
        return value
    text = str(value)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}… ({len(text)} characters)"
