"""What is wrong with the database, in a sentence that says what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from models.store.schema import migrations as schema
from models.store.server.diagnosis import Trouble, diagnose
from worker.encoding.urls import mask_url

_NOT_MIGRATED: Final = "the database lacks tables of this version ({detail}): {remedy}"
_OUT_OF_REACH: Final = (
    "the database is out of reach ({detail}): see that PostgreSQL runs and that {variable} names it; now it is {url}"
)
_NOT_ALLOWED: Final = "the database user may not do this ({detail}): grant it, or use the owner of the tables"
_LOCKED: Final = "somebody else holds a lock for longer than BALANCE_LOCK_TIMEOUT_MS ({detail}): try again"
_TOO_SLOW: Final = "the query took longer than {timeout} ({detail}): ask for less, for example {less}"
_UNFIT: Final = "the database cannot be used ({detail}): {remedy}"
_REVISION: Final = "{detail}; the newest revision that this version knows is {head}"


def database_trouble(
    error: Exception,
    url: Callable[[], str],
    variable: str = "BALANCE_DATABASE_URL",
    timeout: str = "BALANCE_STATEMENT_TIMEOUT_MS",
    less: str = "with --since",
) -> str | None:
    """What is wrong and what to do; None when it is nothing of the database's. `url`: where `variable` says it is."""
    found = diagnose(error)
    if found is None:
        return None
    match found.trouble:
        case Trouble.OUT_OF_REACH:
            return _OUT_OF_REACH.format(detail=found.detail, variable=variable, url=mask_url(url()))
        case Trouble.REVISION:
            return _REVISION.format(detail=found.detail.removesuffix("."), head=schema.head())
        case Trouble.UNFIT:
            return _UNFIT.format(detail=found.detail, remedy=found.remedy)
        case Trouble.NOT_MIGRATED:
            remedy = found.remedy or "run `balance-worker migrate`"
            return _NOT_MIGRATED.format(detail=found.detail, remedy=remedy)
        case Trouble.NOT_ALLOWED:
            return _NOT_ALLOWED.format(detail=found.detail)
        case Trouble.LOCKED:
            return _LOCKED.format(detail=found.detail)
        case Trouble.TOO_SLOW:
            return _TOO_SLOW.format(detail=found.detail, timeout=timeout, less=less)
