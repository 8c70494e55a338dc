"""How accounts and times are written on the command line."""

from __future__ import annotations

from datetime import datetime, timedelta

import typer

from models.domain.accounts import AccountKey
from models.domain.deciding.commands import TelegramUser
from worker.encoding import written
from worker.encoding.written import Unreadable


def account_name(text: str, hint: str) -> AccountKey | TelegramUser:
    """The account that a text names. `hint` is the option that the error speaks of."""
    try:
        return written.account_name(text)
    except Unreadable as error:
        raise typer.BadParameter(str(error), param_hint=hint) from error


def account_key(text: str, hint: str) -> AccountKey:
    """The same for where only the account's own name will do."""
    name = account_name(text, hint)
    if isinstance(name, TelegramUser):
        raise typer.BadParameter("name the user by the internal id here: user:42", param_hint=hint)
    return name


def since_when(text: str, hint: str) -> datetime | timedelta:
    """A time, or how long ago, as people write it."""
    try:
        return written.moment(text)
    except Unreadable as error:
        raise typer.BadParameter(str(error), param_hint=hint) from error
