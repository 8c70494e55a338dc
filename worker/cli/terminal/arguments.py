"""How accounts and times are written on the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import typer

from models.domain.accounts import AccountKey, Kind
from models.domain.deciding.commands import TelegramUser

ACCOUNT_FORMS: Final = "wallet:w1, user:42, user:telegram=99 or app:1/2"
_TELEGRAM: Final = "telegram="
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_AGO: Final = re.compile(r"(\d{1,6})([smhd])", re.ASCII)


def account_name(text: str, hint: str) -> AccountKey | TelegramUser:
    """The account that a text names. `hint` is the option that the error speaks of."""
    kind, _, ref = text.partition(":")
    if ref and kind in list(Kind):
        if kind != Kind.USER and (kind != Kind.APP or _is_app(ref)):
            return AccountKey(Kind(kind), ref)
        number = ref.removeprefix(_TELEGRAM)
        if kind == Kind.USER and number.isascii() and number.isdecimal() and int(number) < 2**63:
            return AccountKey(Kind.USER, str(int(number))) if number == ref else TelegramUser(int(number))
    raise typer.BadParameter(f"{text!r} names no account; write {ACCOUNT_FORMS}", param_hint=hint)


def account_key(text: str, hint: str) -> AccountKey:
    """The same for where only the account's own name will do."""
    name = account_name(text, hint)
    if isinstance(name, TelegramUser):
        raise typer.BadParameter("name the user by the internal id here: user:42", param_hint=hint)
    return name


def since_when(text: str, hint: str) -> datetime | timedelta:
    """A time, or how long ago: 2027-01-31, 2027-01-31T12:00:00Z, 90s, 30m, 12h, 7d. Without a zone it is UTC."""
    if ago := _AGO.fullmatch(text):
        return timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is no time; write 2027-01-31, 2027-01-31T12:00:00Z, 30m, 12h or 7d", param_hint=hint
        ) from error
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _is_app(ref: str) -> bool:
    app_id, _, store_id = ref.partition("/")
    return bool(app_id and store_id)
