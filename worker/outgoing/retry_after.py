"""How long a receiver wants to be left alone: the header Retry-After in both of its forms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_S: Final = 86_400.0  # no answer keeps anything waiting for longer
_SECONDS: Final = re.compile(r"\d{1,9}", re.ASCII)


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds from now, at most a day; None when the header is not there, or says nothing that can be understood.

    `headers`: found whatever their case is. A date is counted from the answer's own Date, where it has one: then it
    does not matter whose clock is right.
    """
    text = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), LONGEST_S)
    until = _date(text)
    if until is None:
        return None
    since = _date(headers.get("Date", "")) or now
    return min(max((until - since).total_seconds(), 0.0), LONGEST_S)


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
