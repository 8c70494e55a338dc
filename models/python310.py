"""What Python has had since 3.11, for publishers on 3.10: the rules travel with the client (clients/python)."""

from __future__ import annotations

import re
import sys
from datetime import datetime, timezone
from operator import attrgetter
from typing import TYPE_CHECKING, Final

if sys.version_info >= (3, 11):
    from enum import StrEnum as _StrEnum
else:
    from enum import Enum

    class _StrEnum(str, Enum):
        __str__ = str.__str__
        __format__ = str.__format__

        @staticmethod
        def _generate_next_value_(name: str, start: int, count: int, last_values: list[str]) -> str:
            return name.lower()


class StrEnum(_StrEnum):
    """Members are texts, and hash and tell their value as fast as texts do: the path of a job asks thirty times.

    Enum's own hash and `value` go through functions of Python each time.
    """

    __hash__ = str.__hash__
    if not TYPE_CHECKING:
        value = property(attrgetter("_value_"))


__all__ = ["UTC", "StrEnum", "iso_time"]

UTC: Final = timezone.utc


def iso_time(text: str) -> datetime:
    """`datetime.fromisoformat` as it is since 3.11: with Z, and any digits of a second. Raises ValueError."""
    if sys.version_info >= (3, 11):
        return datetime.fromisoformat(text)
    else:  # noqa: RET505  # or mypy takes it for code that is never reached
        text = re.sub(r"Z$", "+00:00", text)
        return datetime.fromisoformat(re.sub(r"[.,]([0-9]+)", lambda found: f".{found[1][:6]:0<6}", text, count=1))
