"""A transaction that looks into another shard."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from models.domain.sharding.shard import Shard, schema_of

_LOOK_INTO: Final = text("select set_config('search_path', quote_ident(:schema), true)")


def look_into(connection: Connection, shard: Shard, number: int) -> None:
    """Until the end of its transaction the statements of this connection are about shard `number`."""
    connection.execute(_LOOK_INTO, {"schema": schema_of(number, shard.count)})
