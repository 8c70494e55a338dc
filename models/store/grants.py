"""Grants: the open ones of an account, and those that the sweep has to expire."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

from models.domain.accounts import AccountKey, Kind
from models.domain.grants import Grant
from models.store import rows
from models.tables import ledger as tables

_LOAD: Final = text("""
    select id, account_id, amount, remaining, priority, expires_at, created_at from grants
    where account_id = any(cast(:account_ids as bigint[])) and remaining > 0
    union
    select id, account_id, amount, remaining, priority, expires_at, created_at from grants
    where id = any(cast(:ids as uuid[]))
""")
_EXPIRED: Final = text("""
    select g.id, a.kind, a.ref from grants g join accounts a on a.id = g.account_id
    where g.remaining > 0 and g.expires_at <= clock_timestamp()
    order by g.expires_at limit :limit
""")


def load(connection: Connection, account_ids: Iterable[int], ids: Iterable[UUID] = ()) -> dict[int, list[Grant]]:
    """The open grants of these accounts, and the grants named by id, open or not; by account id."""
    found: dict[int, list[Grant]] = {}
    parameters = {"account_ids": list(account_ids), "ids": list(ids)}
    for row in connection.execute(_LOAD, parameters):
        grant = Grant(row.id, row.amount, row.remaining, row.priority, row.expires_at, row.created_at)
        found.setdefault(row.account_id, []).append(grant)
    return found


def expired(connection: Connection, limit: int) -> list[tuple[AccountKey, UUID]]:
    """Up to `limit` grants whose time is over and that still hold credits, the longest expired first."""
    found = connection.execute(_EXPIRED, {"limit": limit})
    return [(AccountKey(Kind(row.kind), row.ref), row.id) for row in found]


def save(connection: Connection, changed: Sequence[tuple[int, Grant]]) -> None:
    """Writes grants, new or drawn on: (account id, grant)."""
    rows.upsert(
        connection,
        tables.Grant,
        "id",
        [
            {
                "id": grant.id,
                "account_id": account_id,
                "amount": grant.amount,
                "remaining": grant.remaining,
                "priority": grant.priority,
                "expires_at": grant.expires_at,
                "created_at": grant.created_at,
            }
            for account_id, grant in changed
        ],
    )
