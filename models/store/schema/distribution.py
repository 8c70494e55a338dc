"""The schemas of all shards of a ledger, in one database: what is there, and what is made of it.

With the extension Citus each schema is handed over to it once it has its tables: it keeps them together on one node.
Migrating into a schema that Citus has already is what it does not do: docs/decisions/0028.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, text

from models.domain.sharding.shard import schema_of
from models.store.schema import migrations

_LEDGERS: Final = text("""
    select n.nspname from pg_namespace n join pg_class c on c.relnamespace = n.oid and c.relname = 'alembic_version'
    where n.nspname ~ '^balance_[0-9]{1,3}$' order by 1
""")
_CITUS: Final = text("select extversion from pg_extension where extname = 'citus'")
_HANDED_OVER: Final = text("select cast(cast(schemaid as regnamespace) as text) from pg_dist_schema")
_HAND_OVER: Final = text("select citus_schema_distribute(cast(cast(:name as text) as regnamespace))")
_NODES: Final = text("""
    select n.nspname, min(s.nodename || ':' || s.nodeport) as node
    from citus_shards s join pg_class c on c.oid = s.table_name join pg_namespace n on n.oid = c.relnamespace
    where n.nspname ~ '^balance_[0-9]{1,3}$' group by 1
""")
_HERE: Final = text("select to_regclass('jobs') is not null and to_regclass('accounts') is not null")
_ROWS: Final = text("select exists (select from jobs) or exists (select from accounts)")


@dataclass(frozen=True, slots=True)
class Ground:
    """A database before it is distributed."""

    schemas: frozenset[str]  # of shards, of whatever count, that have tables
    citus: str | None  # the version of the extension; None: it is not there
    handed_over: frozenset[str]  # schemas that Citus keeps
    unsharded_rows: bool  # whether search_path of the role leads to a ledger that holds something

    def others(self, count: int) -> list[str]:
        """Schemas of shards of another count: whichever of both was meant, the other one's accounts would be lost."""
        return sorted(self.schemas - {schema_of(number, count) for number in range(count)})


@dataclass(frozen=True, slots=True)
class Step:
    """What is done, or is to be done, to the schema of one shard."""

    schema: str
    made: bool
    before: str | None  # the revision; None: no tables
    after: str | None
    handed_over: bool  # to Citus, now

    @property
    def changed(self) -> bool:
        return self.made or self.before != self.after or self.handed_over


def survey(engine: Engine) -> Ground:
    """Looks, and changes nothing. The engine is the owner's, with whatever search_path its role has."""
    with engine.connect() as connection:
        citus = connection.scalar(_CITUS)
        return Ground(
            schemas=frozenset(connection.scalars(_LEDGERS)),
            citus=citus,
            handed_over=frozenset(connection.scalars(_HANDED_OVER)) if citus else frozenset(),
            unsharded_rows=bool(connection.scalar(_HERE)) and bool(connection.scalar(_ROWS)),
        )


def planned(engine: Engine, ground: Ground, schema: str) -> Step:
    """What would be done. The engine's sessions are confined to the schema."""
    with engine.connect() as connection:
        there = migrations.schema_is_there(connection, schema)
    before = migrations.current(engine)
    return Step(
        schema, not there, before, migrations.head(), ground.citus is not None and schema not in ground.handed_over
    )


def carry_out(engine: Engine, step: Step) -> None:
    """Does it; what is done already is left as it is."""
    if step.made:
        migrations.make_schema(engine, step.schema)
    if step.before != step.after:
        migrations.upgrade(engine)
    if step.handed_over:
        with engine.begin() as connection:
            connection.execute(_HAND_OVER, {"name": step.schema})


def nodes(engine: Engine) -> dict[str, str]:
    """Where Citus has each schema: host:port of the node."""
    with engine.connect() as connection:
        return {row.nspname: row.node for row in connection.execute(_NODES)}
