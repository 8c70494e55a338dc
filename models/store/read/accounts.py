"""Accounts, for a person who looks: a page at a time through the indexes there are, in the order of their names.

A page after another starts where the last one ended, so that a page costs the same however far back it lies.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, text

from models.domain.accounts import Account, AccountKey, Kind
from models.domain.credits.levels import Levels, levels
from models.domain.deciding.commands import TelegramUser
from models.store.read.page import Page
from models.store.write import accounts

_ACCOUNT: Final = "select {columns} from accounts a {where}"
_COLUMNS: Final = ", ".join(f"a.{name}" for name in accounts.COLUMNS.split(", "))

_OF_CUSTOMER: Final = text(
    _ACCOUNT.format(
        columns=_COLUMNS,
        where="""
            where a.id = any(array(
                select account_id from wallets where customer_id = :customer and account_id > coalesce(
                    (select b.id from accounts b where b.kind = 'wallet' and b.ref = cast(:after as text)), 0)
                order by account_id limit :limit
            )) order by a.id
        """,
    )
)

_OF_REF: Final = text(
    _ACCOUNT.format(
        columns=_COLUMNS, where="where a.kind = any(cast(:kinds as text[])) and a.ref = :ref order by a.kind"
    )
)
_NAME: Final = text("select kind, ref from accounts where id = :id")


@dataclass(frozen=True, slots=True)
class AccountNow:
    """An account with what there is in it at one time: the database's, as of when it was read."""

    account: Account
    at: datetime
    levels: Levels


def account(connection: Connection, target: AccountKey | TelegramUser) -> Account | None:
    """An account with its profile, open grants and holds, without a lock: what it was a moment ago."""
    parameters: dict[str, Any]
    if isinstance(target, AccountKey):
        where, parameters = "where a.kind = :kind and a.ref = :ref", {"kind": target.kind.value, "ref": target.ref}
    else:
        where = "join users u on u.account_id = a.id where u.telegram_id = :telegram_id"
        parameters = {"telegram_id": target.telegram_id}
    found = connection.execute(text(_ACCOUNT.format(columns=_COLUMNS, where=where)), parameters).all()
    return next(iter(accounts.read(connection, found)), None)


def account_now(connection: Connection, target: AccountKey | TelegramUser) -> AccountNow | None:
    """The same with what there is in it; None when there is no such account."""
    found = account(connection, target)
    if found is None:
        return None
    at = now(connection)
    return AccountNow(found, at, levels(found, at))


def account_list(
    connection: Connection, kind: Kind | None, limit: int, after: AccountKey | None = None
) -> Page[AccountNow]:
    """Up to `limit` accounts in the order of their names, from after the account `after`, with what is there."""
    conditions: list[str] = []
    parameters: dict[str, Any] = {"limit": limit + 1, "kind": kind and kind.value}
    if kind is not None:
        conditions.append("a.kind = :kind")
    if after is not None:
        conditions.append("(a.kind, a.ref) > (:after_kind, :after_ref)")
        parameters |= {"after_kind": after.kind.value, "after_ref": after.ref}
    where = f"{_where(conditions)} order by a.kind, a.ref limit :limit"
    at = now(connection)
    rows = connection.execute(text(_ACCOUNT.format(columns=_COLUMNS, where=where)), parameters).all()
    return Page.of([AccountNow(each, at, levels(each, at)) for each in accounts.read(connection, rows)], limit)


def accounts_of_customer(
    connection: Connection, customer: str, limit: int, after: AccountKey | None = None
) -> Page[AccountNow]:
    """Up to `limit` wallets of a customer in the order in which they were opened, from after the wallet `after`."""
    parameters = {"customer": customer, "limit": limit + 1, "after": after and after.ref}
    at = now(connection)
    rows = connection.execute(_OF_CUSTOMER, parameters).all()
    return Page.of([AccountNow(each, at, levels(each, at)) for each in accounts.read(connection, rows)], limit)


def accounts_named(connection: Connection, ref: str) -> Page[AccountNow]:
    """The accounts whose name has this after its colon: one of each kind at the most."""
    given = {"kinds": [kind.value for kind in Kind], "ref": ref}
    at = now(connection)
    found = connection.execute(_OF_REF, given).all()
    return Page(tuple(AccountNow(each, at, levels(each, at)) for each in accounts.read(connection, found)), more=False)


def name_of(connection: Connection, account_id: int) -> AccountKey | None:
    """The name of the account with this id."""
    found = connection.execute(_NAME, {"id": account_id}).first()
    return None if found is None else AccountKey(Kind(found.kind), found.ref)


def now(connection: Connection) -> datetime:
    """The database's time: the one that decides what has expired."""
    found: datetime = connection.execute(text("select clock_timestamp()")).scalar_one()
    return found


def _where(conditions: list[str]) -> str:
    return f"where {' and '.join(conditions)}" if conditions else ""
