"""What each role needs, exactly: `balance-worker grants` grants it, `balance-worker doctor` looks for it.

There are two: the workers', and that of who only looks, which can change nothing.

Updates are by column: what identifies a job, its answer, and what an account, a grant or a hold was made as are written
once. PostgreSQL lets rows be locked by whoever may update any one of their columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, text

from models.tables import accounts as tables
from models.tables import sharding, top_ups, webhooks
from models.tables.base import changing

_ADDED: Final = ("select", "insert")
NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "alembic_version": ("select",),
    "entries": _ADDED,
    "records": _ADDED,
    "journals": ("select",),
    "accounts": _ADDED,
    "users": _ADDED,
    "wallets": _ADDED,
    "apps": _ADDED,
    "grants": _ADDED,
    "holds": _ADDED,
    "jobs": _ADDED,
    "job_bodies": _ADDED,
    "dead_letters": _ADDED,
    # On its way: what has arrived is taken away.
    "outbox": (*_ADDED, "delete"),
    "outbox_lanes": ("select",),
    "stream_backlog": (*_ADDED, "delete"),
    "webhook_endpoints": _ADDED,
    "webhook_queues": (*_ADDED, "delete"),
    "webhook_deliveries": (*_ADDED, "delete"),
    "anchors": _ADDED,
    "policies": _ADDED,
    "charges": _ADDED,
    "switches": _ADDED,
    "keys": _ADDED,
    "telegram_ids": _ADDED,
    "telegram_terms": _ADDED,
}
CHANGED: Final[Mapping[str, tuple[str, ...]]] = {
    "accounts": (
        "balance", "seq", "floor", "head", "set_at", "updated_at", "granted", "held", "changes", "has_policy", "low_at",
    ),
    "journals": ("seq", "head"),
    "outbox_lanes": ("turn",),
    "webhook_endpoints": changing(webhooks.Endpoint),
    "webhook_queues": ("due_at", "claim"),
    "webhook_deliveries": (
        "status", "attempts", "queued_at", "first_at", "last_at", "ended_at", "code", "answer",
    ),
    "users": changing(tables.User),
    "wallets": changing(tables.Wallet),
    "apps": changing(tables.App),
    "policies": changing(top_ups.Policy),
    "charges": changing(top_ups.Charge),
    "switches": changing(top_ups.Switch),
    "telegram_ids": changing(sharding.TelegramId),
    "telegram_terms": changing(sharding.TelegramTerm),
    "grants": ("remaining", "pending", "held", "reversed", "expired", "voided", "voided_at", "warned"),
    "holds": ("remaining", "captured", "backing", "ended"),
    "dead_letters": (
        "status", "reason", "error", "task_id", "queue", "headers", "properties", "attempts", "last_seen", "closed_at",
        "discard_reason", "closed_by",
    ),
}  # fmt: skip
SEQUENCE: Final = "accounts_id_seq"  # the other numbers come with the rows
PRUNING: Final = "prune_jobs(integer, integer)"
"""Takes away the bodies of old jobs, as the owner: no one else need change or delete any."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What a role needs: privileges on tables, columns that it may update, and the rest as it stands in a `grant`."""

    on_tables: Mapping[str, tuple[str, ...]]
    changed: Mapping[str, tuple[str, ...]]
    more: tuple[str, ...]


USE_OF_SEQUENCE: Final = f"usage on sequence {SEQUENCE}"
_PRUNING: Final = f"execute on function {PRUNING}"
WORKERS: Final = Rights(NEEDED, CHANGED, (USE_OF_SEQUENCE, _PRUNING))
READERS: Final = Rights(dict.fromkeys(NEEDED, ("select",)), {}, ())
"""Of who looks at everything there is. The secrets of publishers and of webhooks are not in the database."""

# What is not there is told otherwise; a schema that may not be used looks as if nothing was there.
_MISSING: Final = text("""
    select privilege || ' on ' || name
    from unnest(cast(:tables as text[]), cast(:privileges as text[])) as needed (name, privilege)
    where to_regclass(name) is not null and not has_table_privilege(cast(to_regclass(name) as oid), privilege)
    union all
    select 'update (' || string_agg(wanted.name, ', ' order by wanted.number) || ') on ' || wanted.relation
    from unnest(cast(:changed as text[]), cast(:columns as text[])) with ordinality as wanted (relation, name, number)
    join pg_attribute a on a.attrelid = to_regclass(wanted.relation) and a.attname = wanted.name and a.attnum > 0
    where not has_column_privilege(a.attrelid, a.attnum, 'update')
    group by wanted.relation
    union all
    select 'usage on sequence ' || cast(:sequence as text) from (select to_regclass(:sequence) as found) as s
    where found is not null and not has_sequence_privilege(cast(found as oid), 'usage')
      and 'usage on sequence ' || cast(:sequence as text) = any(cast(:more as text[]))
    union all
    select 'execute on function ' || cast(:pruning as text) from (select to_regprocedure(:pruning) as found) as f
    where found is not null and not has_function_privilege(cast(found as oid), 'execute')
      and 'execute on function ' || cast(:pruning as text) = any(cast(:more as text[]))
    union all
    select 'usage on schema ' || nspname from pg_namespace n
    where to_regclass('alembic_version') is null
      and exists (select from pg_class where relnamespace = n.oid and relname = 'alembic_version')
      and not has_schema_privilege(n.oid, 'usage')
""")
# Whoever may be another role by `set role`, or write the server's files, is as good as that role, or as the superuser.
_ABOVE: Final = text("""
    select 'is a superuser' from pg_roles where rolname = current_user and rolsuper
    union all
    select 'may make roles' from pg_roles where rolname = current_user and rolcreaterole and not rolsuper
    union all
    select 'is or may become the owner of ' || string_agg(c.relname, ', ' order by c.relname)
    from unnest(cast(:tables as text[])) as wanted (name) join pg_class c on c.oid = to_regclass(wanted.name)
    where pg_has_role(current_user, c.relowner, 'member')
    having count(*) > 0
    union all
    select 'is a member of ' || r.rolname from pg_roles r
    where r.rolname in ('pg_execute_server_program', 'pg_write_server_files')
      and pg_has_role(current_user, r.oid, 'member')
""")
_BEYOND: Final = text("""
    select privilege || ' on ' || c.relname
    from unnest(cast(:tables as text[])) as wanted (name) join pg_class c on c.oid = to_regclass(wanted.name)
    cross join unnest(array['insert', 'update', 'delete', 'truncate', 'references', 'trigger']) as privilege
    where has_table_privilege(c.oid, privilege) and privilege || ' on ' || c.relname <> all(cast(:needed as text[]))
    union all
    select 'update (' || string_agg(a.attname, ', ' order by a.attnum) || ') on ' || c.relname
    from unnest(cast(:tables as text[])) as wanted (name) join pg_class c on c.oid = to_regclass(wanted.name)
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where has_column_privilege(c.oid, a.attnum, 'update') and not has_table_privilege(c.oid, 'update')
      and c.relname || '.' || a.attname <> all(cast(:changed as text[]))
    group by c.relname
    union all
    select 'usage on sequence ' || cast(:sequence as text) from (select to_regclass(:sequence) as found) as s
    where found is not null and has_sequence_privilege(cast(found as oid), 'usage, update')
      and 'usage on sequence ' || cast(:sequence as text) <> all(cast(:more as text[]))
    union all
    select 'execute on function ' || cast(:pruning as text) from (select to_regprocedure(:pruning) as found) as f
    where found is not null and has_function_privilege(cast(found as oid), 'execute')
      and 'execute on function ' || cast(:pruning as text) <> all(cast(:more as text[]))
    order by 1
""")


def missing(connection: Connection, rights: Rights = WORKERS) -> list[str]:
    """What this role has not and needs: "insert on jobs", "update (balance, seq) on accounts"."""
    needed = [(table, privilege) for table, privileges in rights.on_tables.items() for privilege in privileges]
    changed = [(table, column) for table, columns in rights.changed.items() for column in columns]
    parameters = {
        "tables": [table for table, _ in needed],
        "privileges": [privilege for _, privilege in needed],
        "changed": [table for table, _ in changed],
        "columns": [column for _, column in changed],
        **_besides(rights),
    }
    return [*connection.execute(_MISSING, parameters).scalars()]


def beyond(connection: Connection, rights: Rights = WORKERS) -> list[str]:
    """What this role may do to our tables and does not need: that it owns them, or "may update (code) on jobs"."""
    sought: dict[str, Any] = {"tables": [*rights.on_tables]}
    if above := [*connection.execute(_ABOVE, sought).scalars()]:
        return above[:1] if above[0].endswith("superuser") else above  # all else follows from it
    on_tables, changed = rights.on_tables.items(), rights.changed.items()
    sought["needed"] = [f"{privilege} on {table}" for table, privileges in on_tables for privilege in privileges]
    sought["changed"] = [f"{table}.{column}" for table, columns in changed for column in columns]
    sought |= _besides(rights)
    return [f"may {found}" for found in connection.execute(_BEYOND, sought).scalars()]


def needed(rights: Rights) -> Iterator[str]:
    """All that is granted, as it stands in a `grant`: "select, insert on jobs"."""
    for table, privileges in rights.on_tables.items():
        update = [f"update ({', '.join(rights.changed[table])})"] if table in rights.changed else []
        yield f"{', '.join([*privileges, *update])} on {table}"
    yield from rights.more


def statements(role: str, rights: Rights = WORKERS) -> list[str]:
    """SQL by which the owner of the tables gives a role what it needs, and takes the rest from it. `role`: an
    identifier, quoted where it has to be."""
    taken = [f"revoke all on {', '.join(rights.on_tables)} from {role}"]
    taken += [f"revoke {what} from {role}" for what in (USE_OF_SEQUENCE, _PRUNING) if what not in rights.more]
    return taken + [f"grant {what} to {role}" for what in needed(rights)]


def _besides(rights: Rights) -> dict[str, Any]:
    return {"sequence": SEQUENCE, "pruning": PRUNING, "more": [*rights.more]}
