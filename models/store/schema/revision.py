"""Whether the tables are those that this version of the code was written for.

Looked at once in each new connection: nothing is answered by a session that has not been looked at. An error that says
that a table is not as it was drops its connection, and the next one is looked at again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from models.domain.errors import DeploymentFault
from models.domain.sharding.shard import is_schema
from models.store.schema import migrations as schema
from models.tables.every import METADATA

_VERSION: Final = "alembic_version"
COLUMNS: Final[Mapping[str, frozenset[str]]] = {
    _VERSION: frozenset({"version_num"}),
    **{table.name: frozenset(column.name for column in table.columns) for table in METADATA.sorted_tables},
}
_LOOK: Final = """
    select wanted.name, cast(c.relnamespace as regnamespace)::text, row_security_active(c.oid),
           array(select a.attname::text from pg_attribute a
                 where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)
    from unnest(%s::text[]) as wanted (name)
    left join pg_class c on c.oid = to_regclass(wanted.name) and c.relkind in ('r', 'p')
"""
_SESSION: Final = "select current_setting('server_encoding'), current_setting('search_path')"
_ELSEWHERE: Final = """
    select cast(relnamespace as regnamespace)::text from pg_class
    where relname = %s and relkind = 'r' order by 1
"""
_MIGRATE: Final = "run `balance-worker migrate`"


class WrongTables(DeploymentFault):
    """The tables are not those of this version."""


@dataclass(frozen=True, slots=True)
class Tables:
    """What a session sees. `revision`: of the migrations; None when there is none to be seen."""

    revision: str | None
    schemas: frozenset[str]  # in which the tables are
    missing: tuple[str, ...]  # tables, and columns of those that are there: "jobs", "accounts.held"
    elsewhere: tuple[str, ...] = ()  # schemas with a revision that the session does not see
    filtered: tuple[str, ...] = ()  # tables whose rows a policy keeps from this role
    encoding: str = "UTF8"
    shard: str | None = None  # the schema that the session is confined to


def look(connection: psycopg.Connection[Any]) -> Tables:
    """Raises psycopg.Error, also when the role may not read the revision."""
    [(encoding, path)] = connection.execute(_SESSION).fetchall()
    found = {name: seen for name, *seen in connection.execute(_LOOK, [[*COLUMNS]])}
    missing = [name for name, (where, *_) in found.items() if where is None]
    for name, (where, _, columns) in found.items():
        if where is not None:
            missing += [f"{name}.{column}" for column in sorted(COLUMNS[name].difference(columns))]
    revisions: list[str] = []
    elsewhere: list[str] = []
    if found[_VERSION][0] is None:
        elsewhere = [where for (where,) in connection.execute(_ELSEWHERE, [_VERSION])]
    else:
        revisions = [revision for (revision,) in connection.execute(f"select version_num from {_VERSION}")]  # noqa: S608 - a constant
    return Tables(
        revision=", ".join(sorted(revisions)) or None,
        schemas=frozenset(where for where, *_ in found.values() if where is not None),
        missing=tuple(sorted(missing)),
        elsewhere=tuple(elsewhere),
        filtered=tuple(sorted(name for name, (_, filtered, _) in found.items() if filtered)),
        encoding=encoding,
        shard=path if is_schema(path) else None,
    )


def fault(tables: Tables) -> WrongTables | None:
    """What is wrong with them, and what to do about it."""
    needed = schema.head()
    if tables.revision == needed:
        if tables.missing:
            lacks = f"revision {needed} is there, but not {', '.join(tables.missing)}"
            return WrongTables(lacks, "somebody removed them: restore them from a backup")
        if len(tables.schemas) > 1:
            spread = f"the tables are found in several schemas: {', '.join(sorted(tables.schemas))}"
            return WrongTables(spread, "let search_path of the workers' role lead to one")
        return _unsuitable(tables)
    if tables.revision is None:
        there = f"revision {needed} is needed, none is there"
        if tables.shard is not None:
            return WrongTables(
                f"{there}, in schema {tables.shard}",
                "run `balance-worker distribute`, or for this shard alone `balance-worker migrate`; if the schema is "
                "there, grant the role usage of it; if the ledger is not in shards, unset BALANCE_SHARD",
            )
        if tables.elsewhere:
            reach = f"let search_path of the workers' role lead there, and grant it usage; or {_MIGRATE}"
            return WrongTables(f"{there}, but one in schema {', '.join(tables.elsewhere)}", reach)
        if names := sorted(COLUMNS.keys() - set(tables.missing) - {_VERSION}):
            return WrongTables(
                f"{there}, and tables of other origin are: {', '.join(names)}",
                f"let BALANCE_DATABASE_URL or search_path lead to the ledger, or, in a schema of its own, {_MIGRATE}",
            )
        return WrongTables(there, _MIGRATE)
    there = f"revision {needed} is needed, {tables.revision} is there"
    if schema.knows(tables.revision):
        return WrongTables(there, _MIGRATE)
    return WrongTables(
        f"{there}, which this version does not know",
        "replace this process by one of the version that migrated, or go back: `balance-worker migrate --down "
        f"{needed}`, of that version",
    )


def _unsuitable(tables: Tables) -> WrongTables | None:
    if tables.filtered:
        hidden = f"row level security keeps rows from this role, of {', '.join(tables.filtered)}"
        return WrongTables(hidden, "disable it on these tables, or give the role bypassrls")
    if tables.encoding != "UTF8":
        said = f"the database is encoded in {tables.encoding}: not every text can be kept"
        return WrongTables(said, "move the ledger to a database with encoding UTF8")
    return None
