"""What a database error means for whoever has to act on it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from alembic.util.exc import CommandError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from models.domain.errors import DeploymentFault
from models.store.connection.first_line import first_line
from models.store.schema.revision import WrongTables


class Trouble(StrEnum):
    OUT_OF_REACH = "out_of_reach"
    NOT_MIGRATED = "not_migrated"
    NOT_ALLOWED = "not_allowed"
    LOCKED = "locked"
    TOO_SLOW = "too_slow"
    REVISION = "revision"
    UNFIT = "unfit"


# https://www.postgresql.org/docs/current/errcodes-appendix.html
_STATES: Final = {
    "42P01": Trouble.NOT_MIGRATED,  # no such table
    "42703": Trouble.NOT_MIGRATED,  # no such column
    "42501": Trouble.NOT_ALLOWED,
    "55P03": Trouble.LOCKED,
    "57014": Trouble.TOO_SLOW,
}
_CONNECTION: Final = ("08", "53", "57P", "58")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    trouble: Trouble
    detail: str  # the database's own first line
    remedy: str = ""  # where there is more than one


def diagnose(error: BaseException) -> Diagnosis | None:
    """What is wrong with the database, found in the error or in what caused it; None when it is something else."""
    cause: BaseException | None = error
    while cause is not None:
        if found := _of(cause):
            return found
        cause = cause.__cause__
    return None


def _of(error: BaseException) -> Diagnosis | None:
    if isinstance(error, CommandError):
        return Diagnosis(Trouble.REVISION, str(error))
    if isinstance(error, WrongTables):
        return Diagnosis(Trouble.NOT_MIGRATED, str(error), error.remedy)
    if isinstance(error, DeploymentFault) and error.__cause__ is None:  # otherwise the error that it is about says more
        return Diagnosis(Trouble.UNFIT, str(error), error.remedy)
    if isinstance(error, PoolTimeout):
        return Diagnosis(Trouble.OUT_OF_REACH, "no free connection")
    if not isinstance(error, DBAPIError):
        return None
    detail = first_line(error).removeprefix("connection failed: ")
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        # Without a SQLSTATE the connection broke or was never made; other kinds are mistakes in our own statements.
        lost = isinstance(error, (OperationalError, InterfaceError))
        return Diagnosis(Trouble.OUT_OF_REACH, detail) if lost else None
    trouble = Trouble.OUT_OF_REACH if state.startswith(_CONNECTION) else _STATES.get(state)
    return Diagnosis(trouble, detail) if trouble else None
