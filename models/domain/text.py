"""Texts: whatever a publisher sent, as a database can hold it and a person be shown it; JSON to make hashes of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from json import JSONEncoder
from json import encoder as of_json
from typing import Any, Final

_SHOWN_MAX: Final = 200  # characters of an input that are sent back
_INT64: Final = 2**63
_LONG: Final = 10**4300  # Python writes no longer integer, and where it is told to, it takes its time


def storable_text(text: str) -> str:
    """The text with what no database can hold made visible: NUL as \\0, a lone surrogate as a question mark."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\\0")


def is_storable(text: str) -> bool:
    """Whether a database can hold it as it is."""
    return storable_text(text) == text


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


def json_encoder(*, sort_keys: bool = False) -> Callable[[Any], str]:
    """JSON without spaces, every character as it is.

    `JSONEncoder.encode` does the same and makes its encoder anew for each text: half of what a short one costs.
    """
    whole = JSONEncoder(ensure_ascii=False, sort_keys=sort_keys, separators=(",", ":"))
    make = getattr(of_json, "c_make_encoder", None)
    if make is None:  # not CPython
        return whole.encode
    # Without the markers by which circles are found: one would be nested too deeply, and is refused for that.
    parts = make(None, whole.default, of_json.encode_basestring, None, ":", ",", sort_keys, False, True)
    return lambda value: "".join(parts(value, 0))
