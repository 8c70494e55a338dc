"""The database server that the sessions of this process are on."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.pool import Pool

_LAST: Final[list[str]] = []  # one place at most


@event.listens_for(Pool, "connect")
def _connected(connection: Any, _record: Any) -> None:
    info = connection.info  # libpq's: it knows which of several hosts it took, and what its own variables named
    _LAST[:] = [f"{info.hostaddr or info.host}:{info.port}"]


def server() -> str | None:
    """Address and port of the session that was opened last; None before the first."""
    return _LAST[0] if _LAST else None
