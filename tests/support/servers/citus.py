"""Ledgers on a Citus cluster that is there already: each a schema that is distributed as a whole, on one node.

`BALANCE_TEST_CITUS_URL` is the coordinator's, as a superuser. `BALANCE_TEST_CITUS_VIA`: where the tests connect to, the
`node` that has their schema or the `coordinator`.
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from models.store.schema.migrations import upgrade

URL: Final = os.environ.get("BALANCE_TEST_CITUS_URL")
VIA: Final = os.environ.get("BALANCE_TEST_CITUS_VIA", "node")


@dataclass(frozen=True, slots=True)
class Shard:
    """A ledger of its own in a schema."""

    schema: str
    coordinator: str  # URLs of the ledger: through the coordinator, and on the node that has it
    node: str

    @property
    def url(self) -> str:
        return {"node": self.node, "coordinator": self.coordinator}[VIA]


@contextmanager
def shard(coordinator_url: str, on: tuple[str, int] | None = None, schema: str | None = None) -> Iterator[Shard]:
    """A migrated, empty ledger while the block runs. `on`: host and port of the node that is to have it; `schema`: its
    name, any when there is none."""
    schema = schema or f"t_{uuid.uuid4().hex}"
    url = ledger_url(coordinator_url, schema)
    run(coordinator_url, sql.SQL("create schema {}").format(sql.Identifier(schema)))
    try:
        upgrade(url)
        run(coordinator_url, "select citus_schema_distribute(%s)", schema)
        if on is not None and on != node_of(coordinator_url, schema):
            run(coordinator_url, "select citus_schema_move(%s, %s, %s, 'block_writes')", schema, *on)
        yield Shard(schema, url, ledger_url(coordinator_url, schema, node_of(coordinator_url, schema)))
    finally:
        run(coordinator_url, sql.SQL("drop schema {} cascade").format(sql.Identifier(schema)))


@contextmanager
def ledger(coordinator_url: str) -> Iterator[str]:
    """The URL of a migrated, empty ledger while the block runs."""
    with shard(coordinator_url) as made:
        yield made.url


def ledger_url(url: str, schema: str, at: tuple[str, int] | None = None) -> str:
    place: dict[str, Any] = {} if at is None else {"host": at[0], "port": at[1]}
    found = make_url(url).set(**place).update_query_dict({"options": f"-csearch_path={schema}"})
    return found.render_as_string(hide_password=False)


def node_of(coordinator_url: str, schema: str) -> tuple[str, int]:
    """Host and port of the one node that has all tables of the schema."""
    [(host, port)] = run(
        coordinator_url,
        "select distinct s.nodename, s.nodeport from citus_shards s join pg_class c on c.oid = s.table_name"
        " where c.relnamespace = cast(%s as regnamespace)",
        schema,
    )
    return str(host), int(port)


def nodes(coordinator_url: str) -> list[tuple[str, int]]:
    """Host and port of the nodes that have shards."""
    return run(
        coordinator_url,
        "select nodename, nodeport from pg_dist_node where shouldhaveshards and isactive order by nodeid",
    )


def run(url: str, statement: sql.Composed | LiteralString, *parameters: Any) -> list[Any]:
    with psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True) as connection:
        done = connection.execute(statement, parameters or None)
        return done.fetchall() if done.description else []
