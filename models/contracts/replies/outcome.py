"""The outcome document: the answer to every job, word for word the same for ever for the same key."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from models.contracts.wire.fields import Id64, Int64, Time
from models.domain import money
from models.domain.deciding.commands import Job
from models.domain.jobs.wallets import origin
from models.domain.ledger import Entry
from models.domain.outcome import Code, Status

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_DECODER: Final = msgspec.json.Decoder()


def encode(document: Any) -> str:
    """JSON text in which a decimal is a number with all its digits; times are RFC 3339 in UTC."""
    return _ENCODER.encode(document).decode()


def decode(text: str) -> Any:
    """Plain values of stored JSON. Numbers with a fraction are floats here: for showing, not for reckoning."""
    return _DECODER.decode(text)


def entry_document(entry: Entry, scale: int) -> dict[str, Any]:
    """`amount`, `balance_before` and `balance_after` are integers: units of 10**-scale."""
    document: dict[str, Any] = {
        "id": entry.id,
        "account": str(entry.account),
        "seq": entry.seq,
        "amount": entry.amount,
        "balance_before": entry.balance_before,
        "balance_after": entry.balance_after,
        "scale": scale,
        "created_at": entry.details.at,
    }
    if (paid := origin(entry.details)) is not None:
        document["origin"] = paid
    return document


def outcome_document(
    job: Job,
    status: Status,
    code: Code,
    entry: dict[str, Any] | None,
    response: dict[str, Any] | None,
    error: dict[str, Any] | None,
    bonus: dict[str, Any] | None = None,
) -> dict[str, Any]:
    document: dict[str, Any] = {
        "job_id": job.id,
        "producer": job.producer,
        "idempotency_key": job.key,
        "status": status.value,
        "replayed": False,
        "code": code.value,
        "entry": entry,
        "response": response,
        "error": error,
    }
    if bonus is not None:
        document["bonus_entry"] = bonus
    return document


class EntryDocument(BaseModel):
    """The ledger entry that a job wrote; amounts are integers, units of 10**-scale."""

    model_config = ConfigDict(extra="forbid")

    id: str
    account: str
    seq: Id64
    amount: Int64
    balance_before: Int64
    balance_after: Int64
    scale: Annotated[Int64, Field(ge=0, le=money.SCALE_MAX)]
    created_at: Time | datetime
    origin: Annotated[
        Literal["purchased", "free"] | None, Field(description="Of credits that were added: paid for, or given")
    ] = None


class ErrorDocument(BaseModel):
    """The source API's error body, and the HTTP status that it comes with."""

    model_config = ConfigDict(extra="forbid")

    status: Int64
    body: dict[str, Any]


class OutcomeDocument(BaseModel):
    """What a job is answered with. `replayed` is true when the key had been answered before."""

    model_config = ConfigDict(extra="forbid")

    job_id: UUID
    producer: str
    idempotency_key: str
    status: Literal["applied", "rejected"]
    replayed: bool
    code: Code
    entry: EntryDocument | None
    response: dict[str, Any] | None
    error: ErrorDocument | None
    bonus_entry: Annotated[
        EntryDocument | None,
        Field(description="A second entry of the same job: the bonus of a top-up, or its reversal"),
    ] = None
