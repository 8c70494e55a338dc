"""JSON Schemas of the events: one form for all, and what each type has in `data`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from models.contracts.catalogue import CATALOGUE, SYSTEM_JOBS
from models.contracts.replies.events import VERSION
from models.contracts.spec.parts import PROFILES, Schema, nullable, object_of, ref
from models.contracts.wire.travel import TRACEPARENT
from models.domain import money
from models.domain.events import ABOUT_TOP_UPS, EventType

_TEXT: Final[Schema] = {"type": "string"}
_NUMBER: Final[Schema] = {"type": "number"}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0, "maximum": money.UNITS_MAX}
_TIME: Final[Schema] = {"type": "string", "format": "date-time"}
_BODIES: Final[Mapping[str, str]] = {"user": "UserBody", "wallet": "WalletBody", "app": "AppStateBody"}
_GRANT: Final[Schema] = {**_TEXT, "description": "The job that made it, or its bonus"}
_GRANT_EXPIRED: Final = object_of({
    "id": _GRANT,
    "amount": {**_NUMBER, "description": "Credits that expired"},
    "expires_at": _TIME,
})  # fmt: skip
_GRANT_WILL_EXPIRE: Final = object_of({
    "id": _GRANT,
    "remaining": {**_NUMBER, "description": "Credits that are left, and not held"},
    "expires_at": _TIME,
})  # fmt: skip
_HOLD_EXPIRED: Final = object_of({
    "id": {**_TEXT, "description": "The job that made it"},
    "amount": {**_NUMBER, "description": "Credits that it reserved"},
    "captured": {**_NUMBER, "description": "Credits of them that were captured"},
    "expired": {**_NUMBER, "description": "Credits of them that were given back now"},
    "expires_at": _TIME,
})  # fmt: skip
_LETTER: Final = object_of({
    "id": {**_TEXT, "format": "uuid", "description": "`balance-worker dead-letters show` shows it"},
    "reason": _TEXT,
    "error": nullable(_TEXT),
    "task": nullable(_TEXT),
    "queue": nullable(_TEXT),
    "producer": nullable(_TEXT),
    "idempotency_key": nullable(_TEXT),
    "attempts": {**_COUNT, "description": "How often the message has come so far"},
})  # fmt: skip
_MORE: Final[Mapping[EventType, Schema]] = {
    EventType.BALANCE_LOW: {
        "thresholds": {"type": "array", "items": _NUMBER, "minItems": 1, "description": "Those passed, highest first"},
        "level": {**_NUMBER, "description": "What can be spent: credits, roubles of a user, units of an app"},
    },
    EventType.GRANT_WILL_EXPIRE: {"grant": _GRANT_WILL_EXPIRE},
    EventType.GRANT_EXPIRED: {"grant": _GRANT_EXPIRED},
    EventType.HOLD_EXPIRED: {"holds": {"type": "array", "items": _HOLD_EXPIRED, "minItems": 1}},
}
"""What a type tells beside the entry and the account."""


def event_schema(kind: EventType) -> str:
    """The schema's name: wallet.updated is WalletUpdatedEvent."""
    return "".join(word.title() for word in kind.value.replace("_", ".").split(".")) + "Event"


def event_schemas() -> dict[str, Schema]:
    """Event, what all of them have, and a schema for each type."""
    made = {"Event": _event()}
    for kind in EventType:
        made[event_schema(kind)] = {
            "allOf": [ref("Event"), object_of({"type": {"const": kind.value}, "data": _data(kind)})]
        }
    return made


def _event() -> Schema:
    of_job = "null of dead_letter.parked"
    properties: Schema = {
        "id": {**_TEXT, "description": "The same however often the event is delivered: drop what you have seen"},
        "type": {"enum": [event.value for event in EventType]},
        "version": {"const": VERSION, "description": "Of this form: fields may be added to it"},
        "occurred_at": {**_TIME, "description": "When the job was settled, or the message parked"},
        "account": {**nullable(_TEXT), "description": "wallet:w_1, user:42, app:shop/7; null when there is none"},
        "job_id": {**nullable({**_TEXT, "format": "uuid"}), "description": f"The job that did it; {of_job}"},
        "producer": {**nullable(_TEXT), "description": "Who published it; balance-worker: we did"},
        "idempotency_key": nullable(_TEXT),
        "seq": {
            **nullable(_COUNT),
            "description": "The account's last entry after the job: who has seen 7 and gets 9 lacks an entry",
        },
        "data": {"type": "object"},
    }
    traceparent = {**_TEXT, "description": "W3C Trace Context of the job, where it is part of a trace"}
    every = tuple(properties)
    return object_of({**properties, TRACEPARENT: traceparent}, every, additionalProperties=False)


def _data(kind: EventType) -> Schema:
    match kind:
        case EventType.JOB_REJECTED:
            body = {"anyOf": [ref(f"{profile}Error") for profile in PROFILES]}
            error = {"allOf": [ref("ErrorDocument"), object_of({"body": body})]}
            return object_of(
                {"name": {"enum": [*CATALOGUE, *SYSTEM_JOBS]}, "code": ref("Code"), "error": error},
                additionalProperties=False,
            )
        case EventType.DEAD_LETTER_PARKED:
            return object_of({"letter": _LETTER}, additionalProperties=False)
        case EventType.WEBHOOK_DISABLED:
            return object_of({"endpoint": ref("EndpointBody")}, additionalProperties=False)
    return _of_account(kind)


def _of_account(kind: EventType) -> Schema:
    more, about = _MORE.get(kind, {}), "The entry that was written, and the account as the job left it"
    if kind in ABOUT_TOP_UPS:
        about = "The account and its policy as the job left them, and the charge"
        # entries.reverse is answered with the account alone
        more = {"policy": nullable(ref("PolicyBody")), "charge": nullable(ref("ChargeBody"))}
    fields = {"entry": nullable(ref("EntryDocument")), "account": _account(kind), **more}
    return object_of(
        {**fields, "bonus_entry": ref("EntryDocument")}, tuple(fields), additionalProperties=False, description=about
    )


def _account(kind: EventType) -> Schema:
    """The body of whichever account it may be about."""
    subject = kind.value.partition(".")[0]
    if kind is EventType.BALANCE_LOW:
        return {"anyOf": [ref(body) for body in _BODIES.values()]}
    if kind in ABOUT_TOP_UPS:
        return {"anyOf": [ref("WalletBody"), ref("UserBody")]}
    return ref(_BODIES.get(subject, "WalletBody"))
