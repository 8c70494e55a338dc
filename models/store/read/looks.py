"""What was decided about an account's top-ups: looks, what its owner asked for, what became of its charges."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from models.domain.auto_topup.evaluation import Hold
from models.domain.charging.policies import Reason
from models.domain.deciding.commands import AUTO_TOP_UP, RUN_NOW
from models.domain.outcome import Code

# Jobs that wrote an entry are found by the charges that they made, credited or gave back: there are as many of them as
# charges, however long the ledger is. Documents say where the policy stood after the job.
_LOOKS: Final = text("""
    with ours as (
        (select id from (
            select id, name, settled_at from jobs where account_id = :account_id
            order by settled_at desc, id desc limit :most) as latest
         where name in (:look, 'charges.settle') or name like 'auto\\_topup.%'
         order by settled_at desc, id desc limit :limit)
        union
        (select unnest(array[id, credited_by]) from charges
         where account_id = :account_id order by created_at desc limit :limit)
        union
        (select back.job_id from charges c
         join entries credit on credit.job_id = c.credited_by and credit.part = 0
         join entries back on back.account_id = credit.account_id and back.reverses = credit.seq
         where c.account_id = :account_id order by back.seq desc limit :limit)
    )
    select id, settled_at, name, code, name in (:look, :run_now) as looks,
           cast(outcome as jsonb) #>> '{response,policy,reason}' as reason,
           cast(outcome as jsonb) #>> '{response,policy,not_before}' as until,
           cast(outcome as jsonb) #>> '{response,policy,spendable}' as spendable,
           cast(outcome as jsonb) #>> '{response,policy,suspended}' as suspended,
           cast(outcome as jsonb) #>> '{response,charge,id}' as charge_id,
           cast(outcome as jsonb) #>> '{response,charge,status}' as charge_status,
           cast(outcome as jsonb) #>> '{response,charge,code}' as charge_code,
           cast(outcome as jsonb) #>> '{error,body,error,details,reason}' as refused,
           cast(outcome as jsonb) #>> '{error,body,error,details,until}' as refused_until,
           cast(outcome as jsonb) #>> '{error,body,error,details,code}' as refused_code
    from jobs where id in (select id from ours)
    order by settled_at desc, id desc limit :limit
""")


@dataclass(frozen=True, slots=True)
class LookShown:
    """A job about an account's top-ups and what it came to."""

    job_id: UUID
    at: datetime
    job: str
    code: Code
    held: Hold | None  # why a look, or a wish for one, did not fire
    spendable: Decimal | None  # what could be spent then, in credits or roubles
    suspended: str | None  # why the policy was out of force afterwards
    charge_id: UUID | None  # that it made or settled
    charge_status: str | None
    charge_code: str | None


def looks(connection: Connection, account_id: int, limit: int, most: int | None = None) -> list[LookShown]:
    """What was decided about the account's top-ups, the newest first. `most`: it looks for looks among so many of the
    account's last jobs that moved nothing; None: among all."""
    given = {"account_id": account_id, "limit": limit, "most": most, "look": AUTO_TOP_UP, "run_now": RUN_NOW}
    return [
        LookShown(
            job_id=row.id,
            at=row.settled_at,
            job=row.name,
            code=Code(row.code),
            held=_held(row) if row.looks else None,
            spendable=None if row.spendable is None else Decimal(row.spendable),
            suspended=row.suspended,
            charge_id=row.charge_id and UUID(row.charge_id),
            charge_status=row.charge_status,
            charge_code=row.charge_code,
        )
        for row in connection.execute(_LOOKS, given)
    ]


def _held(row: Any) -> Hold | None:
    """Why it did not fire: a refusal says it itself, and of a look the policy does, where it stood afterwards."""
    reason, until = row.refused or row.reason, row.refused_until or row.until
    if reason is None or reason == Reason.FIRED:
        return None
    code = row.refused_code or row.suspended
    return Hold(Reason(reason), None if until is None else datetime.fromisoformat(until), code)
