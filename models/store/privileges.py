"""What the workers' role needs, exactly: docs/deployment.md grants it, `balance-worker doctor` looks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, text

_ADDED: Final = ("select", "insert")
_CHANGED: Final = ("select", "insert", "update")  # locked, too
NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "alembic_version": ("select",),
    "entries": _ADDED,
    "accounts": _CHANGED,
    "users": _CHANGED,
    "wallets": _CHANGED,
    "apps": _CHANGED,
    "grants": _CHANGED,
    "holds": _CHANGED,
    "jobs": _CHANGED,
    "dead_letters": _CHANGED,
    "outbox": ("select", "insert", "delete"),
    "records": _ADDED,
    "journals": ("select", "update"),  # locked, too
}
SEQUENCE: Final = "accounts_id_seq"  # the other numbers come with the rows
_REWRITING: Final = ("update", "delete", "truncate")

# What is not there is told otherwise; a schema that may not be used looks as if nothing was there.
_MISSING: Final = text("""
    select privilege || ' on ' || name
    from unnest(cast(:tables as text[]), cast(:privileges as text[])) as needed (name, privilege)
    where to_regclass(name) is not null and not has_table_privilege(cast(to_regclass(name) as oid), privilege)
    union all
    select 'usage on sequence ' || cast(:sequence as text) from (select to_regclass(:sequence) as found) as s
    where found is not null and not has_sequence_privilege(cast(found as oid), 'usage')
    union all
    select 'usage on schema ' || nspname from pg_namespace n
    where to_regclass('alembic_version') is null
      and exists (select from pg_class where relnamespace = n.oid and relname = 'alembic_version')
      and not has_schema_privilege(n.oid, 'usage')
""")
_HELD: Final = text("""
    select privilege from unnest(cast(:privileges as text[])) as privilege
    where to_regclass('entries') is not null and has_table_privilege(cast(to_regclass('entries') as oid), privilege)
""")


def missing(connection: Connection) -> list[str]:
    """What this role has not and needs: "insert on jobs"."""
    needed = [(table, privilege) for table, privileges in NEEDED.items() for privilege in privileges]
    parameters = {
        "tables": [table for table, _ in needed],
        "privileges": [privilege for _, privilege in needed],
        "sequence": SEQUENCE,
    }
    return [*connection.execute(_MISSING, parameters).scalars()]


def rewriting(connection: Connection) -> list[str]:
    """What this role may do to the ledger, and nobody but its owner should."""
    return [*connection.execute(_HELD, {"privileges": [*_REWRITING]}).scalars()]
