"""What went wrong in a command, in a sentence that says what to do."""

from __future__ import annotations

from models.store.schema import migrations as schema
from models.store.server.diagnosis import Trouble, diagnose
from worker.encoding.urls import mask_url
from worker.local.server_error import ServerError
from worker.local.supervisor import NotReady
from worker.settings.settings import SettingsError, load_settings

_NOT_MIGRATED = "the database lacks tables of this version ({detail}): {remedy}"
_OUT_OF_REACH = (
    "the database is out of reach ({detail}): see that PostgreSQL runs and that BALANCE_DATABASE_URL names it;"
    " now it is {url}"
)
_NOT_ALLOWED = "the database user may not do this ({detail}): grant it, or use the owner of the tables"
_LOCKED = "somebody else holds a lock for longer than BALANCE_LOCK_TIMEOUT_MS ({detail}): try again"
_TOO_SLOW = "the query took longer than BALANCE_STATEMENT_TIMEOUT_MS ({detail}): ask for less, for example with --since"
_UNFIT = "the database cannot be used ({detail}): {remedy}"
_REVISION = "{detail}; the newest revision that this version knows is {head}"


def explain(error: Exception) -> str | None:
    """What is wrong and what to do about it; None for an error that nobody expected."""
    return str(error) if isinstance(error, (SettingsError, ServerError, NotReady)) else _database(error)


def _database(error: Exception) -> str | None:
    found = diagnose(error)
    if found is None:
        return None
    match found.trouble:
        case Trouble.OUT_OF_REACH:
            return _OUT_OF_REACH.format(detail=found.detail, url=mask_url(load_settings().database_url))
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
            return _TOO_SLOW.format(detail=found.detail)
