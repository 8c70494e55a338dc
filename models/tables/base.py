"""The declarative base: how constraints are named, and the types that columns share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Final
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, MetaData, Text, Uuid
from sqlalchemy.orm import DeclarativeBase, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar = {datetime: DateTime(timezone=True), str: Text(), UUID: Uuid(), int: BigInteger()}


Units = Annotated[int, mapped_column(BigInteger)]
"""An amount: integer units of 10**-scale of the account."""


FIXED: Final = {"fixed": True}
"""The `info` of a column that is written once: what the row is known by, or was made as."""


def fixed(table: type[Base]) -> frozenset[str]:
    """The columns of a table that are written once, but for its key."""
    return frozenset(column.name for column in table.__table__.columns if column.info.get("fixed"))


def changing(table: type[Base]) -> tuple[str, ...]:
    """The other columns, in their order."""
    columns = table.__table__.columns
    return tuple(column.name for column in columns if not column.primary_key and not column.info.get("fixed"))


def one_of(column: str, *values: str) -> str:
    """The text of a check that a column holds one of these values."""
    quoted = ", ".join(f"'{value}'" for value in values)
    return f"{column} in ({quoted})"
