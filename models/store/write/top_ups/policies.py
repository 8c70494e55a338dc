"""Auto top-up policies: read with their accounts, written once a batch, found when they are due."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any, Final

from sqlalchemy import Connection, text

from models.domain.accounts import Account, AccountKey, Kind
from models.domain.charging.policies import Policy
from models.domain.value import enums
from models.store.write import rows
from models.tables import top_ups as tables

_FIELDS: Final = [field.name for field in fields(Policy)]
_COLUMNS: Final = ", ".join(f'"{name}"' for name in _FIELDS)
_ENUMS: Final = enums(Policy)
_LOAD: Final = text(f"select account_id, {_COLUMNS} from policies where account_id = any(cast(:ids as bigint[]))")  # noqa: S608 - names come from our tables
_DUE: Final = text("""
    select a.kind, a.ref, p.crossing from policies p join accounts a on a.id = p.account_id
    where p.due_at <= clock_timestamp()
    order by p.due_at limit :limit
""")
_FIXED: Final[frozenset[str]] = frozenset()


def load(connection: Connection, account_ids: Iterable[int]) -> dict[int, Policy]:
    """The policies of these accounts, by account id."""
    found: dict[int, Policy] = {}
    for account_id, *values in connection.execute(_LOAD, {"ids": list(account_ids)}).all():
        named = dict(zip(_FIELDS, values, strict=True))
        for name, enum in _ENUMS.items():
            if named[name] is not None:
                named[name] = enum(named[name])
        found[account_id] = Policy(**named)
    return found


def save(connection: Connection, accounts: Sequence[Account]) -> None:
    """Writes the policies of these accounts, new or changed."""
    changed: list[dict[str, Any]] = [
        {"account_id": account.id, **rows.values(account.policy, _FIELDS)}
        for account in accounts
        if account.policy is not None
    ]
    rows.upsert(connection, tables.Policy, "account_id", rows.by_column(changed), _FIXED)


def due(connection: Connection, limit: int) -> list[tuple[AccountKey, int]]:
    """Up to `limit` accounts that are to be looked at, each with the look's number; those that wait longest first."""
    found = connection.execute(_DUE, {"limit": limit})
    return [(AccountKey(Kind(row.kind), row.ref), row.crossing) for row in found]
