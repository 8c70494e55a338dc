"""Users, wallets and apps: one query a kind that is present, one statement a kind that changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from enum import Enum
from typing import Any, Final

from sqlalchemy import BigInteger, CollectionAggregate, Connection, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY

from models.domain import money
from models.domain.accounts import (
    Account,
    AccountKey,
    App,
    Face,
    Kind,
    TopUpTrigger,
    User,
    UserStatus,
    Wallet,
    WalletStatus,
    WalletType,
)
from models.store import rows
from models.tables import accounts as tables

_TABLES: Final[dict[Kind, type[tables.User | tables.Wallet | tables.App]]] = {
    Kind.USER: tables.User,
    Kind.WALLET: tables.Wallet,
    Kind.APP: tables.App,
}

_FACES: Final[dict[Kind, type[Face]]] = {Kind.USER: User, Kind.WALLET: Wallet, Kind.APP: App}
_ENUMS: Final[dict[type[Face], dict[str, type[Enum]]]] = {
    User: {"status": UserStatus},
    Wallet: {"wallet_type": WalletType, "status": WalletStatus, "trigger": TopUpTrigger},
    App: {},
}


def load(connection: Connection, kinds: Mapping[int, Kind]) -> dict[int, Face]:
    """The faces of accounts, by account id."""
    found: dict[int, Face] = {}
    for kind, table in _TABLES.items():
        ids = [account_id for account_id, of in kinds.items() if of is kind]
        if ids:
            found |= _load(connection, table, _FACES[kind], ids)
    return found


def _load(connection: Connection, table: Any, face: type[Face], ids: list[int]) -> dict[int, Face]:
    names = [field.name for field in fields(face)]
    # Values come in the order of the face's fields, so a face is made without looking up names row by row.
    enums = [(names.index(name), enum) for name, enum in _ENUMS[face].items()]
    query = select(table.account_id, *(table.__table__.c[name] for name in names)).where(table.account_id == _any(ids))
    found: dict[int, Face] = {}
    for account_id, *values in connection.execute(query).all():
        for number, enum in enums:
            values[number] = enum(values[number])
        found[account_id] = face(*values)
    return found


def telegram_owners(connection: Connection, telegram_ids: Sequence[int]) -> dict[int, AccountKey]:
    """Who has these telegram ids."""
    if not telegram_ids:
        return {}
    query = select(tables.User.telegram_id, tables.User.user_id).where(
        tables.User.telegram_id == _any(list(telegram_ids))
    )
    return {
        telegram_id: AccountKey(Kind.USER, str(user_id))
        for telegram_id, user_id in connection.execute(query)
        if telegram_id is not None
    }


def save(connection: Connection, accounts: Sequence[Account]) -> None:
    """Writes the faces of these accounts, new or changed."""
    for kind, table in _TABLES.items():
        changed = [_row(account) for account in accounts if account.key.kind is kind]
        rows.upsert(connection, table, "account_id", changed)


def _any(ids: list[int]) -> CollectionAggregate[bool]:
    return any_(bindparam("ids", ids, type_=ARRAY(BigInteger)))


def _row(account: Account) -> dict[str, Any]:
    row = {"account_id": account.id, **asdict(account.face)}
    if "conversion_rate" in row:
        row["conversion_rate"] = money.text(row["conversion_rate"])
    return row
