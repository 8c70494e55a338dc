"""The database server that the sessions of this process are on."""

from __future__ import annotations

from typing import Any, Final

import psycopg

_LAST: Final[list[str]] = []  # one place at most


def note(connection: psycopg.Connection[Any]) -> None:
    """To be called with each session that is opened."""
    info = connection.info  # libpq's: it knows which of several hosts it took, and what its own variables named
    _LAST[:] = [f"{info.hostaddr or info.host}:{info.port}"]


def server() -> str | None:
    """Address and port of the session that was opened last; None before the first."""
    return _LAST[0] if _LAST else None
