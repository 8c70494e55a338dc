"""URLs of the database: whatever libpq and SQLAlchemy take leads where it says, and what leads nowhere is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import make_url
from sqlalchemy.dialects.postgresql.psycopg import dialect

from worker.encoding.urls import mask_url
from worker.settings.database_urls import canonical
from worker.settings.settings import Settings

WRITABLE = {"target_session_attrs": "read-write"}
URLS: dict[str, dict[str, Any]] = {
    "postgresql://h/db": {"host": "h"},
    "postgres://h/db": {"host": "h"},
    "postgresql+psycopg://h/db": {"host": "h"},
    "postgresql://h:/db": {"host": "h"},
    "postgresql:///db": {},
    "postgresql://u@/db": {"user": "u"},
    "postgresql://u:p@h:6432/db": {"host": "h", "port": 6432, "user": "u", "password": "p"},
    "postgresql://u:p%40%2F@h/db": {"host": "h", "user": "u", "password": "p@/"},
    "postgresql://u:p@w@h/db": {"host": "h", "user": "u", "password": "p@w"},
    "postgresql://h/?dbname=db": {"host": "h"},
    "postgresql://[::1]:5433/db": {"host": "::1", "port": 5433},
    "postgresql:///db?host=::1": {"host": "::1"},
    "postgresql://h/db?port=6432": {"host": "h", "port": 6432},
    "postgresql://other/db?host=h": {"host": "h"},
    "postgresql:///db?host=h:6432": {"host": "h", "port": 6432},
    # several hosts
    "postgresql://h1,h2/db": {"host": "h1,h2", "port": ",", **WRITABLE},
    "postgresql://u:p@h1:1,h2:2/db": {"host": "h1,h2", "port": "1,2", "user": "u", "password": "p", **WRITABLE},
    "postgresql://h1:1,h2/db": {"host": "h1,h2", "port": "1,", **WRITABLE},
    "postgresql://h1,h2/db?port=5433": {"host": "h1,h2", "port": "5433,5433", **WRITABLE},
    "postgresql:///db?host=h1:1&host=h2:2": {"host": "h1,h2", "port": "1,2", **WRITABLE},
    "postgresql:///db?host=h1,h2&port=1,2": {"host": "h1,h2", "port": "1,2", **WRITABLE},
    "postgresql://[::1]:1,[fe80::1]:2/db": {"host": "::1,fe80::1", "port": "1,2", **WRITABLE},
    "postgresql://h1,h2/db?target_session_attrs=any": {"host": "h1,h2", "port": ",", "target_session_attrs": "any"},
    "postgresql://h/db?target_session_attrs=primary": {"host": "h", "target_session_attrs": "primary"},
    # Unix sockets
    "postgresql:///db?host=/run/pg": {"host": "/run/pg"},
    "postgresql://%2Frun%2Fpg:5433/db": {"host": "/run/pg", "port": "5433"},
    "postgresql:///db?host=/run/pg&port=5433": {"host": "/run/pg", "port": "5433"},
    # options
    "postgresql://h/db?sslmode=verify-full&sslrootcert=/etc/ca.pem": {
        "host": "h", "sslmode": "verify-full", "sslrootcert": "/etc/ca.pem",
    },
    "postgresql://h/db?options=-c%20search_path%3Dledger": {"host": "h", "options": "-c search_path=ledger"},
    "postgresql://h/db?options=-csearch_path=ledger": {"host": "h", "options": "-csearch_path=ledger"},
}  # fmt: skip
REFUSED = [
    *("", "h", "postgresql:", "postgresql://", "postgresql://h", "postgresql://h/", "postgresql://h,h2"),
    *("mysql://h/db", "postgresql+asyncpg://h/db", "sqlite:///db"),
    *("postgresql://h:0/db", "postgresql://h:65536/db", "postgresql://h:x/db", "postgresql://h:-1/db"),
    *("postgresql://h1:1,h2:x/db", "postgresql:///db?host=h1,h2&port=1,2,3", "postgresql:///db?host=h:1:x"),
    *("postgresql://h/db?port=x", "postgresql://h/db?port=1&port=2", "postgresql://h/db?port=1,2"),
    *("postgresql://h/db?sslmode=on", "postgresql://h/db?target_session_attrs=writable"),
    *("postgresql://h/db?nonsense=1", "postgresql://h/db?autocommit=true", "postgresql://h/db?prepare_threshold=0"),
]


def asked_for(url: str) -> dict[str, Any]:
    """What psycopg is called with."""
    create: Any = dialect
    _, parameters = create().create_connect_args(make_url(url))
    return dict(parameters)


@pytest.mark.parametrize("url", URLS)
def test_leads_where_it_says(url: str) -> None:
    given = canonical(url)
    parameters = asked_for(given)
    assert parameters == {"dbname": "db", **URLS[url]}
    assert canonical(given) == given


def test_a_service_names_everything_else() -> None:
    parameters = asked_for(canonical("postgresql:///?service=ledger"))
    assert parameters == {"service": "ledger"}


@pytest.mark.parametrize("url", REFUSED)
def test_what_leads_nowhere_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        Settings(database_url=url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hunter2@h1:1,h2:2/db",
        "postgresql://u:hun,ter2@h1:1,h2:2/db",
        "postgresql://u:hun%40ter2@h1,h2/db",
        "postgresql://u@h1,h2/db?password=hunter2",
        "postgresql://u@h/db?sslmode=require&sslpassword=hunter2",
    ],
)
def test_shows_no_password(url: str) -> None:
    shown = mask_url(canonical(url))
    assert "ter2" not in shown
    assert "/db?" in shown
