"""A system whose broker and database are reached by links that a test can cut."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import make_url

from tests.acceptance.system import System
from tests.support.servers.proxy import Proxy


@contextmanager
def proxied(system: System) -> Iterator[tuple[Proxy, Proxy]]:
    """To the broker, and to the database, for what is started in the block."""
    url = make_url(system.environment["BALANCE_DATABASE_URL"]).render_as_string(hide_password=False)
    with Proxy(system.broker_url) as broker, Proxy(url) as database:
        system.environment |= {"BALANCE_BROKER_URL": broker.url, "BALANCE_DATABASE_URL": database.url}
        yield broker, database
        system.stop()
