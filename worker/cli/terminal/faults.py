"""How a command ends when it cannot do what it was asked: one sentence on stderr and an exit code, no traceback.

0    done
1    the answer is no: the ledger does not add up, the deployment has a failure, the job was refused, there is no such
     job or account
2    it could not be done: wrong arguments or settings, database or broker out of reach, migrations missing, a directory
     or a port that cannot be used
3    published, but with no outcome yet when the waiting time was over
70   a mistake in this program: the traceback is for its authors
130  interrupted
"""

from __future__ import annotations

import sys
import traceback
from typing import Final, NoReturn

from worker.encoding.visible import visible

NO: Final = 1
FAULT: Final = 2
UNKNOWN: Final = 3
BUG: Final = 70

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


class Stop(Exception):
    """Ends the command: the text is for stderr, `code` is the exit code."""

    def __init__(self, message: str, code: int = FAULT) -> None:
        super().__init__(message)
        self.code = code


def stop(error: Exception) -> NoReturn:
    """Ends the process as the error demands."""
    if isinstance(error, Stop):
        _say(str(error))
        sys.exit(error.code)
    if (sentence := explain(error)) is not None:
        _say(sentence)
        sys.exit(FAULT)
    from worker.encoding.urls import mask_url

    sys.stderr.write(visible(mask_url("".join(traceback.format_exception(error))), keep="\n\t"))
    _say("this is a mistake in balance-worker; please report it with the lines above")
    sys.exit(BUG)


def explain(error: Exception) -> str | None:
    """What is wrong and what to do about it; None for an error that nobody expected."""
    from worker.local.server_error import ServerError
    from worker.local.supervisor import NotReady
    from worker.settings.settings import SettingsError

    return str(error) if isinstance(error, (SettingsError, ServerError, NotReady)) else _database(error)


def _database(error: Exception) -> str | None:
    from models.store.server.diagnosis import Trouble, diagnose

    found = diagnose(error)
    if found is None:
        return None
    match found.trouble:
        case Trouble.OUT_OF_REACH:
            from worker.encoding.urls import mask_url
            from worker.settings.settings import load_settings

            return _OUT_OF_REACH.format(detail=found.detail, url=mask_url(load_settings().database_url))
        case Trouble.REVISION:
            from models.store.schema import migrations as schema

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


def _say(message: str) -> None:
    for line in message.splitlines():
        sys.stderr.write(f"balance-worker: {visible(line)}\n")
