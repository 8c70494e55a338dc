"""What would keep jobs from being applied is seen before any comes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, make_url, text

from models.store.connection.session import make_engine
from models.store.schema import migrations as schema
from models.store.schema.migrations import downgrade
from models.store.server.hindrance import look

HEAD = schema.head()


def _on(url: str, *statements: str) -> None:
    owner = create_engine(url, isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    owner.dispose()


def _what(engine: Engine) -> str:
    """It, or nothing. A look is a new connection."""
    engine.dispose()
    found = look(engine).hindrance
    assert found is None or found.remedy
    return "" if found is None else found.what


@pytest.fixture
def narrow(database_url: str) -> Iterator[Engine]:
    """As a role that owns nothing."""
    role = f"narrow_{uuid.uuid4().hex}"
    _on(
        database_url, f"create role {role} login password 'narrow'",
        f"grant select, insert, update, delete on all tables in schema public to {role}",
        f"grant usage on sequence accounts_id_seq to {role}",
        f"grant execute on function prune_jobs(integer, integer) to {role}",
    )  # fmt: skip
    url = make_url(database_url).set(username=role, password="narrow").render_as_string(hide_password=False)
    engine = make_engine(url, checked=True)
    yield engine
    engine.dispose()
    _on(database_url, f"drop owned by {role}", f"drop role {role}")


def test_each_thing_that_is_not_as_it_must_be_is_named_until_it_is_mended(database_url: str, narrow: Engine) -> None:
    role, database = narrow.url.username, narrow.url.database
    revision = "update alembic_version set version_num = "
    cases = [
        (f"revoke insert on jobs from {role}", f"grant insert on jobs to {role}", "missing privileges: insert on jobs"),
        (f"revoke select on alembic_version from {role}", f"grant select on alembic_version to {role}", "permission"),
        (f"{revision} '0001'", f"{revision} '{HEAD}'", f"revision {HEAD} is needed, 0001 is there"),
        (
            f"{revision} 'newer'",
            f"{revision} '{HEAD}'",
            "newer is there, which this version does not know",
        ),
        (
            f"alter database {database} set default_transaction_read_only = on",
            f"alter database {database} reset default_transaction_read_only",
            "read-only",
        ),
    ]
    assert _what(narrow) == ""
    for breaks, mends, what in cases:
        _on(database_url, breaks)
        assert what in _what(narrow)
        _on(database_url, "set default_transaction_read_only = off", mends)
        assert _what(narrow) == ""


def test_a_database_that_is_away_or_has_no_tables(empty_database_url: str, database_url: str) -> None:
    away = make_engine(str(make_url(database_url).set(port=1)), connect_timeout_s=1)
    assert "out of reach" in _what(away)
    assert "none is there" in _what(make_engine(empty_database_url, checked=True))
    downgrade(database_url, "0001")
    assert "0001 is there" in _what(make_engine(database_url, checked=True))
