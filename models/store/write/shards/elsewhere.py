"""What is asked of other shards: a statement for each of them, or a transaction that looks into one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, text

from models.domain.sharding.shard import Shard, schema_of
from models.store.connection.session import each_committed

T = TypeVar("T")

_LOOK_INTO: Final = text("select set_config('search_path', quote_ident(:schema), true)")


def look_into(connection: Connection, shard: Shard, number: int) -> None:
    """Until the end of its transaction the statements of this connection are about shard `number`."""
    connection.execute(_LOOK_INTO, {"schema": schema_of(number, shard.count)})


def ask(
    engine: Engine,
    shard: Shard,
    items: Collection[T],
    bucket_of: Callable[[T], int],
    statement: Callable[[str], str],
    parameters: Callable[[Sequence[T]], Mapping[str, Any]],
) -> list[tuple[Any, ...]]:
    """What the shards answer that the items lead to: one statement for each, committed by itself.

    `statement`: of a schema's name; `parameters`: of the items that lead there. All ask in one order, so that two who
    want the same wait for each other and do not deadlock.
    """
    of_shards: dict[int, list[T]] = {}
    for item in items:
        of_shards.setdefault(shard.of(bucket_of(item)), []).append(item)
    asked = [
        (statement(schema_of(number, shard.count)), parameters(there)) for number, there in sorted(of_shards.items())
    ]
    return [row for found in each_committed(engine, asked) for row in found] if asked else []
