"""Whose fault a database error is: the one place where it is asked.

    a race             two transactions used one new key or account at once: again, at once
    passing            connection, deadlock, timeout, resources: again, after a pause
    the deployment's   tables, privileges, a standby, a broken session: all is held until somebody has mended it
    doubtful           a trigger, an internal error, a limit: the job's when its neighbours pass, the deployment's when
                       all fail alike
    the job's          what it wrote broke a rule of the data

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from models.domain.errors import DeploymentFault, DoubtfulFault, Fault, KeyRace, TransientFault
from models.store.connection.first_line import first_line

_MIGRATE: Final = "run `balance-worker migrate`, of the newest version in use"
_GRANT: Final = "grant the workers' role what `balance-worker doctor` names"
_PRIMARY: Final = "let BALANCE_DATABASE_URL name the primary, or promote this server"
_SESSION: Final = "nothing: the connection is dropped and made anew; a pooler in between must be in session mode"
_SERVER: Final = "look at the log of the database server"
_REACH: Final = "see that PostgreSQL runs, that BALANCE_DATABASE_URL names it, and that its role may log in there"


class Blame(StrEnum):
    RACE = "race"
    PASSING = "passing"
    DEPLOYMENT = "deployment"
    DOUBTFUL = "doubtful"
    JOB = "job"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`remedy` says what to do about it; `session`: the connection is the problem, and must not be used again."""

    blame: Blame
    remedy: str = ""
    session: bool = False


_RACE: Final = Verdict(Blame.RACE)
_PASSING: Final = Verdict(Blame.PASSING)
_JOB: Final = Verdict(Blame.JOB)
_DOUBTFUL: Final = Verdict(Blame.DOUBTFUL, _SERVER)
# The connection is dropped, so that the next one compares the revision: models/store/schema/revision.py.
_SCHEMA: Final = Verdict(Blame.DEPLOYMENT, _MIGRATE, session=True)
_BROKEN_SESSION: Final = Verdict(Blame.DEPLOYMENT, _SESSION, session=True)

_BY_CODE: Final = {
    "23505": _RACE,
    "25006": Verdict(Blame.DEPLOYMENT, _PRIMARY, session=True),  # read-only: a standby, or a primary that became one
    "25P03": _PASSING,  # idle in transaction for too long
    "25P04": _PASSING,  # transaction timeout
    "40001": _PASSING,  # serialization
    "40P01": _PASSING,  # deadlock
    "55P03": _PASSING,  # lock timeout
    "57014": _PASSING,  # statement timeout
    "42501": Verdict(Blame.DEPLOYMENT, _GRANT),
    "42P01": _SCHEMA,  # no such table
    "42703": _SCHEMA,  # no such column
    "42883": _SCHEMA,  # no such function
    "42704": _SCHEMA,  # no such object
    "3F000": _SCHEMA,  # no such schema
    "3D000": Verdict(Blame.DEPLOYMENT, "create the database that BALANCE_DATABASE_URL names"),
    "42P05": _BROKEN_SESSION,  # a prepared statement that is there already
    "0A000": _BROKEN_SESSION,  # a cached plan that no longer fits its tables
    "40003": Verdict(Blame.PASSING, session=True),  # whether the statement was carried out is unknown: the keys know
}
# By class, where the code itself is not named above.
_BY_CLASS: Final = {
    "08": Verdict(Blame.PASSING, session=True),  # connection
    "53": _PASSING,  # resources
    "57": Verdict(Blame.PASSING, session=True),  # operator intervention
    "58": _PASSING,  # the system around the server
    "25": _BROKEN_SESSION,  # the transaction's state
    "26": _BROKEN_SESSION,  # a prepared statement that is not there
    "28": Verdict(Blame.DEPLOYMENT, "let the workers' role in: pg_hba.conf and its password"),
    "40": _PASSING,
    "22": _JOB,  # data
    "23": _JOB,  # constraints
    "21": _JOB,
    "44": _JOB,
}


def verdict(error: DBAPIError | PoolTimeout) -> Verdict:
    """Whose fault it is."""
    if isinstance(error, PoolTimeout):
        return _PASSING
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        # No SQLSTATE: the connection broke or was never made; other kinds are mistakes in our own statements.
        lost = error.connection_invalidated or isinstance(error, (OperationalError, InterfaceError))
        return Verdict(Blame.PASSING, session=True) if lost else _JOB
    return _BY_CODE.get(state) or _BY_CLASS.get(state[:2]) or _DOUBTFUL


def fault(error: DBAPIError | PoolTimeout) -> Fault | None:
    """The fault that an error is around a job; None when it is the job's own."""
    found = verdict(error)
    if isinstance(error, PoolTimeout):
        return TransientFault(f"no free database connection: {error}")
    line, state = first_line(error), getattr(error.orig, "sqlstate", None)
    said = f"database out of reach: {line}" if state is None else f"{line} (SQLSTATE {state})"
    match found.blame:
        case Blame.RACE:
            return KeyRace(line)
        case Blame.PASSING:
            return TransientFault(said, _REACH if state is None else "")
        case Blame.DEPLOYMENT:
            return DeploymentFault(said, found.remedy)
        case Blame.DOUBTFUL:
            return DoubtfulFault(said, found.remedy)
        case Blame.JOB:
            return None


def error_kind(error: BaseException) -> str | None:
    """What failed alike is alike in: the database's code; None when it is no error of the database's."""
    cause = error if isinstance(error, DBAPIError) else error.__cause__
    return getattr(cause.orig, "sqlstate", None) if isinstance(cause, DBAPIError) else None
