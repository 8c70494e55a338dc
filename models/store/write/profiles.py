"""Users, wallets and apps: one query a kind that is present, one statement a kind that changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from enum import Enum
from typing import Any, Final

from sqlalchemy import BigInteger, CollectionAggregate, Connection, TextClause, any_, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from models.domain import money
from models.domain.accounts import Account, AccountKey, App, Kind, Profile, User, Wallet
from models.domain.value import enums
from models.store.write import rows
from models.tables import accounts as tables
from models.tables.base import fixed

_TABLES: Final[dict[Kind, type[tables.User | tables.Wallet | tables.App]]] = {
    Kind.USER: tables.User,
    Kind.WALLET: tables.Wallet,
    Kind.APP: tables.App,
}

# The workers' role may not change them.
_FIXED: Final = {kind: fixed(table) for kind, table in _TABLES.items()}

_PROFILES: Final[dict[Kind, type[Profile]]] = {Kind.USER: User, Kind.WALLET: Wallet, Kind.APP: App}


def load(connection: Connection, kinds: Mapping[int, Kind]) -> dict[int, Profile]:
    """The profiles of accounts, by account id."""
    found: dict[int, Profile] = {}
    for kind in Kind:
        ids = [account_id for account_id, of in kinds.items() if of is kind]
        if ids:
            found |= _load(connection, kind, ids)
    return found


def _load(connection: Connection, kind: Kind, ids: list[int]) -> dict[int, Profile]:
    profile, (query, enums) = _PROFILES[kind], _SELECT[kind]
    found: dict[int, Profile] = {}
    for account_id, *values in connection.execute(query, {"ids": ids}).all():
        for number, members in enums:
            values[number] = members[values[number]]
        found[account_id] = profile(*values)
    return found


def _select(kind: Kind) -> tuple[TextClause, list[tuple[int, dict[str, Enum]]]]:
    """Values come in the order of the profile's fields, so that one is made without looking up names row by row."""
    table, names = _TABLES[kind].__tablename__, [field.name for field in fields(_PROFILES[kind])]
    columns = ", ".join(f'"{name}"' for name in ("account_id", *names))
    query = text(f"select {columns} from {table} where account_id = any(cast(:ids as bigint[]))")  # noqa: S608 - names come from our tables
    words = {name: {member.value: member for member in enum} for name, enum in enums(_PROFILES[kind]).items()}
    return query, [(names.index(name), members) for name, members in words.items()]


_SELECT: Final = {kind: _select(kind) for kind in Kind}


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
    """Writes the profiles of these accounts, new or changed."""
    for kind, table in _TABLES.items():
        changed = [_row(account) for account in accounts if account.key.kind is kind]
        rows.upsert(connection, table, "account_id", rows.by_column(changed), _FIXED[kind])


def _any(ids: list[int]) -> CollectionAggregate[bool]:
    return any_(bindparam("ids", ids, type_=ARRAY(BigInteger)))


def _row(account: Account) -> dict[str, Any]:
    row = {"account_id": account.id, **asdict(account.profile)}
    if "conversion_rate" in row:
        row["conversion_rate"] = money.text(row["conversion_rate"])
    return row
