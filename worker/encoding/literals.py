"""JSON whose numbers are read exactly, whatever they are, in a time that grows with their length."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

_INTEGER_DIGITS_MAX: Final = 4_300  # Python makes an integer of no longer text, and a long one takes it long


@dataclass(frozen=True, slots=True, repr=False)
class Unreckonable:
    """A number that no Decimal can hold, as it was written: 1e9999999999999999999. No field takes it."""

    literal: str

    def __repr__(self) -> str:
        return self.literal


def integer(text: str) -> int | Decimal:
    return int(text) if len(text.lstrip("-")) <= _INTEGER_DIGITS_MAX else Decimal(text)


def fraction(text: str) -> Decimal | Unreckonable:
    try:
        return Decimal(text)
    except InvalidOperation:
        return Unreckonable(text)


def exact(text: str | bytes, object_hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """The JSON as plain values; NaN and Infinity are decimals too, so that validation can refuse them."""
    return json.loads(text, parse_int=integer, parse_float=fraction, parse_constant=Decimal, object_hook=object_hook)
