"""Events: what there is to tell another service when a balance has moved."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from models.contracts.wire.travel import TRACEPARENT
from models.domain.accounts import Kind
from models.domain.events import ABOUT_TOP_UPS, EventType
from models.domain.value import value
from models.python310 import iso_time

VERSION: Final = 1
"""Of the form. Fields may be added to it; what a field means stays."""
TEST: Final = "webhook.test"
"""The type of an event that tells nothing."""
_NULL: Final = msgspec.Raw(b"null")
_ENCODER: Final = msgspec.json.Encoder()


class _Answer(msgspec.Struct):
    """The parts of an outcome that events tell, digit for digit as they were answered."""

    entry: msgspec.Raw = _NULL
    bonus_entry: msgspec.Raw = _NULL  # a second one, of few jobs
    response: msgspec.Raw = _NULL
    error: msgspec.Raw = _NULL


class _Parts(msgspec.Struct):
    """A response of which the account is a part."""

    account: msgspec.Raw = _NULL
    policy: msgspec.Raw = _NULL
    charge: msgspec.Raw = _NULL


class _Moved(msgspec.Struct):
    balance_after: int


_ANSWERS: Final = msgspec.json.Decoder(_Answer)
_PARTS: Final = msgspec.json.Decoder(_Parts)
_ENTRIES: Final = msgspec.json.Decoder(_Moved)


@value(frozen=True, slots=True)
class EventMessage:
    """An event as receivers get it. `id` is the same however often, and wherever, it is delivered."""

    id: str
    type: str  # user.balance.updated
    account: str | None  # wallet:w_1
    occurred_at: datetime
    body: bytes  # the event, JSON in UTF-8
    traceparent: str | None = None  # of the trace that its job was part of


@value(frozen=True, slots=True)
class Told:
    """What an event is made from.

    `seq`: the account's last entry then. `account_is_a_part`: of the response, beside others. `data`: JSON of what the
    answer does not say.
    """

    type: EventType
    job_id: UUID
    producer: str
    idempotency_key: str
    name: str
    code: str
    settled_at: datetime
    account: str | None
    seq: int | None
    outcome: str
    account_is_a_part: bool
    data: str | None


def event_of_job(told: Told) -> EventMessage:
    """The event that a settled job has told."""
    answer = _ANSWERS.decode(told.outcome)
    data: dict[str, Any]
    match told.type:
        case EventType.JOB_REJECTED:
            data = {"name": told.name, "code": told.code, "error": answer.error}
        case EventType.WEBHOOK_DISABLED:
            data = {"endpoint": answer.response}
        case _:
            data = _about_account(told, answer)
    about = {"job_id": told.job_id, "producer": told.producer, "idempotency_key": told.idempotency_key, "seq": told.seq}
    traceparent = None
    if told.data is not None:
        facts = msgspec.json.decode(told.data, type=dict[str, msgspec.Raw])
        if (trace := facts.pop(TRACEPARENT, None)) is not None:
            traceparent = msgspec.json.decode(trace, type=str)
        data |= facts
    return _message(
        f"{told.job_id}.{told.type.value}",
        told.type.value,
        told.settled_at,
        told.account,
        about,
        data,
        traceparent,
    )


def event_of_letter(letter_id: UUID, data: str) -> EventMessage:
    """A message was parked. `data`: JSON of what the letter said then: `at`, producer, idempotency_key, attempts, …

    Parked again after a replay, it is another event.
    """
    letter = msgspec.json.decode(data)
    at = iso_time(letter.pop("at"))
    kind = EventType.DEAD_LETTER_PARKED
    about = {"job_id": None, "producer": letter["producer"], "idempotency_key": letter["idempotency_key"], "seq": None}
    told = {"letter": {"id": letter_id, **letter}}
    return _message(f"{letter_id}.{letter['attempts']}.{kind.value}", kind.value, at, None, about, told)


def event_of_test(name: UUID, at: datetime, endpoint: Mapping[str, Any]) -> EventMessage:
    """What an endpoint is sent to see whether it takes anything: of type webhook.test, and of nothing that happened."""
    about = {"job_id": None, "producer": None, "idempotency_key": None, "seq": None}
    return _message(f"{name}.{TEST}", TEST, at, None, about, {"endpoint": endpoint})


def _message(
    name: str,
    kind: str,
    at: datetime,
    account: str | None,
    about: Mapping[str, Any],
    data: Mapping[str, Any],
    traceparent: str | None = None,
) -> EventMessage:
    document = {
        "id": name,
        "type": kind,
        "version": VERSION,
        "occurred_at": at,
        "account": account,
        **about,
        "data": data,
    }
    if traceparent is not None:
        document[TRACEPARENT] = traceparent
    return EventMessage(name, kind, account, at, _ENCODER.encode(document), traceparent)


def _about_account(told: Told, answer: _Answer) -> dict[str, Any]:
    data: dict[str, Any] = {"entry": answer.entry}
    if answer.bonus_entry != _NULL:
        data["bonus_entry"] = answer.bonus_entry
    # entries.reverse may suspend a policy, and is answered with the account alone.
    parts = _PARTS.decode(answer.response) if told.account_is_a_part else _Parts(answer.response)
    data["account"] = parts.account
    if told.type in ABOUT_TOP_UPS:
        data |= {"policy": parts.policy, "charge": parts.charge}
    elif told.account is not None and told.account.startswith(f"{Kind.APP.value}:") and answer.entry != _NULL:
        data["account"] = _app(told.account, answer.entry)
    return data


def _app(account: str, entry: msgspec.Raw) -> dict[str, Any]:
    """An app's own body: the source API answers with a confirmation, which says nothing of the app."""
    app_id, _, store_id = account.partition(":")[2].partition("/")
    return {"app_id": app_id, "store_id": store_id, "balance": _ENTRIES.decode(entry).balance_after}
