"""What travels to the database in arrays arrives as it was."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from sqlalchemy import BigInteger, Engine, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from models.store.connection.arrays import (
    BIGINT,
    BOOLEAN,
    BYTEA,
    TEXT,
    TIMESTAMPTZ,
    UUIDS,
    Elements,
    of_json,
    texts,
)
from models.store.write import rows
from models.tables import accounts

STORABLE = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
TEXTS = STORABLE | st.sampled_from(["", "null", "NULL", '"', "\\", '\\"', "{}", ",", " ", "{a,b}"])
# One that a change of the clock leaves out is equal to none in another zone.
TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.timezones(), allow_imaginary=False)  # noqa: DTZ001
KINDS: list[tuple[Elements, SearchStrategy[Any], Callable[[Any], Any]]] = [
    (BIGINT, st.integers(-(2**63), 2**63 - 1), int),
    (BOOLEAN, st.booleans(), bool),
    (TIMESTAMPTZ, TIMES, lambda found: found),
    (UUIDS, st.uuids(), lambda found: found),
    (TEXT, TEXTS, str),
    (BYTEA, st.binary(max_size=40), bytes),
    (of_json(msgspec.json.encode), st.dictionaries(STORABLE, st.integers(0, 9) | STORABLE), dict),
]


@pytest.mark.parametrize(("elements", "some", "read"), KINDS, ids=[elements.name for elements, _, _ in KINDS])
def test_values_of_every_type_arrive_as_they_are(
    shared_engine: Engine, elements: Elements, some: SearchStrategy[Any], read: Callable[[Any], Any]
) -> None:
    """Packed together, each by itself because of a null, or one of them so many times."""
    with shared_engine.connect() as connection:

        @given(st.lists(some) | st.lists(st.none() | some) | st.tuples(st.none() | some).map(lambda one: [*one] * 3))
        def same(values: list[Any]) -> None:
            query = text(f"select * from unnest(cast(:values as {elements.name}[])) as of (one)")
            found = [row.one for row in connection.execute(query, {"values": elements.array(values)})]
            assert [None if each is None else read(each) for each in found] == values

        same()


def test_json_that_only_python_takes_for_equal_arrives_as_it_is(shared_engine: Engine) -> None:
    values = [{"a": 1}, {"a": True}, {"a": 1.0}, {"a": 1}]
    written = [each.decode() for each in map(msgspec.json.encode, values)]
    with shared_engine.connect() as connection:
        query = text("select cast(one as text) from unnest(cast(:values as json[])) as of (one)")
        found = connection.execute(query, {"values": of_json(msgspec.json.encode).array(values)}).scalars().all()
    assert found == written


def test_texts_arrive_as_they_are(shared_engine: Engine) -> None:
    with shared_engine.connect() as connection:

        @given(st.lists(TEXTS))
        def same(values: list[str]) -> None:
            found = connection.execute(text("select cast(:values as text[])"), {"values": texts(values)})
            assert found.scalar_one() == values

        same()


class _Kept(DeclarativeBase):
    """Columns whose types have no array of their own here."""


class _Row(_Kept):
    __tablename__ = "kept_rows"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    levels: Mapped[Any] = mapped_column(ARRAY(BigInteger))
    number: Mapped[Any] = mapped_column(accounts.Wallet.__table__.columns["conversion_rate"].type)


def test_lists_and_numbers_without_measure_arrive_as_they_are(shared_engine: Engine) -> None:
    with shared_engine.connect() as connection:
        connection.execute(text("create temporary table kept_rows (id bigint, levels bigint[], number numeric)"))

        @given(
            st.none() | st.lists(st.integers(-(2**63), 2**63 - 1)), st.decimals(allow_nan=False, allow_infinity=False)
        )
        def same(levels: Any, number: Any) -> None:
            connection.execute(text("delete from kept_rows"))
            rows.insert(connection, _Row, {"id": [1, 2], "levels": [levels, (7,)], "number": [str(number), None]})
            rows.update(connection, _Row, "id", {"id": [2], "number": [str(number)]})
            found = connection.execute(text("select levels, number from kept_rows order by id")).all()
            assert [tuple(row) for row in found] == [(levels, number), ([7], number)]

        same()
