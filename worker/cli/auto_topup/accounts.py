"""Which accounts are topped up."""

from __future__ import annotations

from typing import TypeVar

import typer

from models.domain.accounts import AccountKey, Kind
from models.domain.deciding.commands import TelegramUser

Name = TypeVar("Name", AccountKey, AccountKey | TelegramUser)


def topped_up(name: Name) -> Name:
    """The account that was named, when it may have a policy."""
    if isinstance(name, AccountKey) and name.kind is Kind.APP:
        raise typer.BadParameter("only wallets and users are topped up", param_hint="ACCOUNT")
    return name
