"""docs/deployment.md is true: its grants make the ledger append-only for the workers' role, and cover every table."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.exc import ProgrammingError

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "deployment.md").read_text()
ROLE = "balance_app"


def sql_block() -> str:
    (block,) = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    return str(block)


@contextmanager
def granted(url: str) -> Iterator[Connection]:
    """A connection of the owner, after the page's statements; the role is rolled back with the rest."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            connection.execute(text(sql_block()))
            yield connection
    finally:
        engine.dispose()


def test_grants_cover_every_table(database_url: str) -> None:
    with granted(database_url) as connection:
        for table in inspect(connection).get_table_names():
            allowed = text("select has_table_privilege(:role, :table, 'select')")
            assert connection.scalar(allowed, {"role": ROLE, "table": table}), f"grant {table} in docs/deployment.md"


@pytest.mark.parametrize(
    "statement",
    ["update entries set amount = 0", "delete from entries", "truncate entries", "drop table entries"],
)
def test_role_of_the_workers_cannot_rewrite_the_ledger(database_url: str, statement: str) -> None:
    with granted(database_url) as connection:
        connection.execute(text(f"set role {ROLE}"))
        connection.execute(text("select count(*) from entries"))
        with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"):
            connection.execute(text(statement))
