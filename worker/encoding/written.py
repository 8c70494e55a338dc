"""How people write accounts and times: on the command line, and in the fields of a page."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from models.domain.accounts import AccountKey, Kind
from models.domain.deciding.commands import TelegramUser

ACCOUNT_FORMS: Final = "wallet:w1, user:42, user:telegram=99 or app:1/2"
TIME_FORMS: Final = "2027-01-31, 2027-01-31T12:00:00Z, 30m, 12h or 7d"
_TELEGRAM: Final = "telegram="
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_AGO: Final = re.compile(r"(\d{1,6})([smhd])", re.ASCII)


class Unreadable(ValueError):
    """What was written is not in a form that is read; the text says which ones are."""


def account_name(text: str) -> AccountKey | TelegramUser:
    """The account that a text names. Raises Unreadable."""
    kind, _, ref = text.partition(":")
    if ref and kind in list(Kind):
        if kind != Kind.USER and (kind != Kind.APP or _is_app(ref)):
            return AccountKey(Kind(kind), ref)
        number = ref.removeprefix(_TELEGRAM)
        if kind == Kind.USER and number.isascii() and number.isdecimal() and int(number) < 2**63:
            return AccountKey(Kind.USER, str(int(number))) if number == ref else TelegramUser(int(number))
    raise Unreadable(f"{text!r} names no account; write {ACCOUNT_FORMS}")


def moment(text: str) -> datetime | timedelta:
    """A time, or how long ago: 2027-01-31, 2027-01-31T12:00:00Z, 90s, 30m, 12h, 7d. Without a zone it is UTC. Raises
    Unreadable."""
    if ago := _AGO.fullmatch(text):
        return timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Unreadable(f"{text!r} is no time; write {TIME_FORMS}") from error


def _is_app(ref: str) -> bool:
    app_id, _, store_id = ref.partition("/")
    return bool(app_id and store_id)
