"""Jobs that were settled lately, counted: by code, and by account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

from models.domain.accounts import AccountKey, Kind
from models.domain.ids import uuid7
from models.store.read.accounts import now

_LEAST: Final = timedelta(milliseconds=1)
# Job ids sort by time: the newest are the end of the primary key. An entry is found by its job, an account by its id.
_NEWEST: Final = """
    select id, account_id, status, code, settled_at from jobs where id >= :since order by id desc limit :most
"""
_BY_CODE: Final = text(f"""
    select code, count(*) as jobs, min(settled_at) as oldest from ({_NEWEST}) as j
    group by code order by jobs desc, code
""")  # noqa: S608 - our own texts
_BY_ACCOUNT: Final = text(f"""
    select a.kind, a.ref, count(*) as jobs, count(*) filter (where j.status = 'rejected') as rejected
    from ({_NEWEST}) as j left join entries e on e.job_id = j.id and e.part = 0
    join accounts a on a.id = coalesce(j.account_id, e.account_id)
    group by a.id order by jobs desc, a.id limit :accounts
""")  # noqa: S608 - our own texts


@dataclass(frozen=True, slots=True)
class BusyAccount:
    account: AccountKey
    jobs: int
    rejected: int


@dataclass(frozen=True, slots=True)
class JobsLately:
    """Jobs that were settled lately, in the time that is `covered`; replays are not among them: nothing is written for
    a replay.

    `at`: the time by the database. `whole`: False when there were more than are looked at, and these are the newest.
    """

    at: datetime
    covered: timedelta
    whole: bool
    codes: dict[str, int]
    accounts: tuple[BusyAccount, ...]  # those with most of the jobs, the busiest first


def jobs_lately(connection: Connection, window: timedelta, *, most: int, accounts: int) -> JobsLately:
    """Looks at the newest `most` jobs at the most."""
    at = now(connection)
    bounds = {"since": _first_id(at - window), "most": most}
    by_code = connection.execute(_BY_CODE, bounds).all()
    busy = connection.execute(_BY_ACCOUNT, {**bounds, "accounts": accounts}).all()
    whole = sum(row.jobs for row in by_code) < most
    covered = window if whole else at - min(row.oldest for row in by_code)
    return JobsLately(
        at,
        max(covered, _LEAST),
        whole,
        {row.code: row.jobs for row in by_code},
        tuple(BusyAccount(AccountKey(Kind(row.kind), row.ref), row.jobs, row.rejected) for row in busy),
    )


def _first_id(at: datetime) -> UUID:
    """No job that was settled then or later has a lesser id."""
    return uuid7(at, 0, 0)
