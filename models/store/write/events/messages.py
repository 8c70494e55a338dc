"""An event that is on its way, put together.

A row says only what happened and which job did it, or which letter it is about. The event itself is made here from the
job's answer: written twice, it would be a fifth of the work of a job.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Row

from models.contracts.catalogue import contract_of
from models.contracts.replies.events import EventMessage, Told, event_of_job, event_of_letter
from models.domain.events import EventType

COLUMNS: Final = (
    "o.id, o.type, o.job_id, o.letter_id, o.account_id, o.seq, cast(o.data as text) as data, j.producer,"
    " j.idempotency_key, j.name, j.code, j.settled_at as at, cast(j.outcome as text) as outcome,"
    " a.kind || ':' || a.ref as account"
)
JOINS: Final = "left join jobs j on j.id = o.job_id left join accounts a on a.id = o.account_id"
"""What an event is made from, beside its row `o` of the outbox or of a queue."""


def message(row: Row[Any]) -> EventMessage:
    """The event of a row of COLUMNS."""
    if row.letter_id is not None:
        return event_of_letter(row.letter_id, row.data)
    return event_of_job(
        Told(
            EventType(row.type), row.job_id, row.producer, row.idempotency_key, row.name, row.code, row.at, row.account,
            row.seq, row.outcome, contract_of(row.name).ACCOUNT_IS_A_PART, row.data,
        )
    )  # fmt: skip
