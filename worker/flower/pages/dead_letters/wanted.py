"""Which dead letters are meant, as the fields of a page say it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from models.domain.letters import LetterStatus
from models.store.read.dead_letters import LetterFilter
from worker.encoding.written import Unreadable, moment

FIELDS: Final = ("reason", "task", "producer", "status", "since", "until")


def letter_filter(asked: Mapping[str, str | None]) -> LetterFilter:
    """What the form asks for. Raises Unreadable."""
    status, since, until = asked["status"], asked["since"], asked["until"]
    if status is not None and status not in [*LetterStatus]:
        raise Unreadable(f"{status!r} is no status; there are {', '.join(LetterStatus)}")
    return LetterFilter(
        reason=asked["reason"],
        task=asked["task"],
        producer=asked["producer"],
        status=None if status is None else LetterStatus(status),
        since=None if since is None else moment(since),
        until=None if until is None else moment(until),
    )


def query_of(wanted: LetterFilter) -> str:
    """The same letters as parameters of a URL, with times as they were meant."""
    given = {name: getattr(wanted, name) for name in FIELDS}
    return urlencode({name: _written(value) for name, value in given.items() if value is not None})


def in_words(wanted: LetterFilter) -> str:
    """The same for people: "reason failed, task wallets.debit"."""
    given = {name: getattr(wanted, name) for name in FIELDS if name != "status"}
    return ", ".join(f"{name} {_written(value)}" for name, value in given.items() if value is not None) or "all"


def _written(value: object) -> str:
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.0f}s"
    return value.isoformat() if isinstance(value, datetime) else str(value)
