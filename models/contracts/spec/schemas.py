"""JSON Schemas of everything on the wire, made from the contracts, for components.schemas of the AsyncAPI document."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from models.contracts.catalogue import CATALOGUE
from models.contracts.jobs.alerts import AlertsBody
from models.contracts.jobs.apps import AppBody
from models.contracts.jobs.top_up_bodies import TopUpBody
from models.contracts.jobs.users import UserBody
from models.contracts.jobs.wallet_contract import WalletBody
from models.contracts.jobs.webhooks import EndpointBody
from models.contracts.replies.outcome import EntryDocument, ErrorDocument, OutcomeDocument
from models.contracts.spec.event_schemas import event_schemas
from models.contracts.spec.meanings import MEANINGS
from models.contracts.spec.parts import PROFILES, Schema, nullable, object_of, ref
from models.contracts.wire.signature import CONTRACT_VERSION, SIGNATURE, SIGNED_AT, VERSION
from models.contracts.wire.travel import PUBLISHED_AT, TRACEPARENT
from models.domain.outcome import Code

_BODIES: Final[tuple[type[BaseModel], ...]] = (UserBody, WalletBody, AppBody, TopUpBody, AlertsBody, EndpointBody)
_DOCUMENTS: Final[tuple[type[BaseModel], ...]] = (EntryDocument, ErrorDocument, OutcomeDocument)
_FACE_OF: Final = {
    "users": "User",
    "wallets": "Wallet",
    "holds": "Wallet",
    "grants": "Wallet",
    "apps": "App",
    "entries": "Entry",
    "accounts": "Alerts",
    "auto_topup": "TopUp",
    "charges": "TopUp",
    "webhooks": "Endpoint",
}


NOT_ALWAYS: Final = {"EntryDocument": "origin", "OutcomeDocument": "bonus_entry", "WalletBody": "held"}
"""What there is not in every answer: it says nothing there, or the answer was given before there was such a field."""


class _Generator(GenerateJsonSchema):
    """What may be left out by who asks is never left out of an answer."""

    def field_is_required(self, field: Any, total: bool) -> bool:
        return self.mode == "serialization" or super().field_is_required(field, total)

    def default_schema(self, schema: Any) -> Schema:
        return self.generate_inner(schema["schema"]) if self.mode == "serialization" else super().default_schema(schema)


def family_of(job: str) -> str:
    """Whose body a job is answered with: User, Wallet, App, …, or Entry for that of any account."""
    return _FACE_OF[job.partition(".")[0]]


def schemas() -> dict[str, Schema]:
    """Every schema by its name, in JSON Schema draft 7 as AsyncAPI 3.0 takes it."""
    asked: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "validation") for model in CATALOGUE.values()]
    answered: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        (model, "serialization") for model in (*_BODIES, *_DOCUMENTS)
    ]
    _, made = models_json_schema(
        [*asked, *answered], ref_template="#/components/schemas/{model}", schema_generator=_Generator
    )
    named: dict[str, Schema] = {_plain_name(name): _tidy(schema) for name, schema in made["$defs"].items()}
    for contract in CATALOGUE.values():
        named[contract.__name__]["description"] = contract.SUMMARY
    for name, field in NOT_ALWAYS.items():
        named[name]["required"].remove(field)
    named["Code"]["description"] = "\n".join(f"* `{code.value}` — {MEANINGS[code]}" for code in Code)
    return {**named, **_celery(), **_errors(), **_outcomes(), **event_schemas()}


def _plain_name(name: str) -> str:
    """Of a part that is asked for in one way and answered in another, which pydantic tells apart by an ending."""
    return name.removesuffix("-Input").replace("-Output", "Body")


def _tidy(node: Any, *, names: bool = False) -> Any:
    """Without titles that repeat a field's name and defaults that only mean "absent"; no $ref with company.

    `names`: the keys of this node are names of fields, not words of JSON Schema.
    """
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("$ref"), str):
        node = {**node, "$ref": _plain_name(node["$ref"])}
    kept = {
        key: _tidy(value, names=key == "properties" and not names)
        for key, value in node.items()
        if names or not (key == "title" or (key == "default" and value is None))
    }
    if "$ref" in kept and len(kept) > 1 and not names:
        # Draft 7 ignores what stands beside a $ref.
        return {"allOf": [{"$ref": kept.pop("$ref")}], **kept}
    return kept


def _celery() -> dict[str, Schema]:
    text, nothing = {"type": "string"}, {"type": "null"}
    # What a worker needs first; what has another value in Celery's other uses, and only this one here, after it.
    required = {
        "task": {**text, "description": "The job's name"},
        "id": {**text, "description": "New for each message, best a UUID; results are found by it"},
    }
    usual = {
        "lang": {**text, "description": "py, whatever the publisher is written in"},
        "root_id": {**text, "description": "The same as id"},
        "parent_id": nullable(text),
        "group": nullable(text),
        "retries": {"type": "integer", "minimum": 0},
        "timelimit": {"type": "array", "description": "[null, null]"},
        "eta": {**nothing, "description": "Money jobs with an ETA are parked: time never lives in the broker"},
        "expires": {**nullable(text), "description": "Leave it null: a job that is past it is parked, not applied"},
        "argsrepr": {**text, "description": "For logs and monitors"},
        "kwargsrepr": {**text, "description": "For logs and monitors; put the key here rather than amounts"},
        "origin": {**text, "description": "Who published, for logs"},
        "ignore_result": {"type": "boolean", "description": "true: the worker keeps no result for this message"},
    }
    signing = {
        CONTRACT_VERSION: {
            "enum": [VERSION, str(VERSION)],
            "description": "The version of this document; may be left out",
        },
        SIGNATURE: {
            "type": "string",
            "pattern": "^(2:)?[0-9a-f]{64}$",
            "description": "HMAC-SHA256 of what decides in the message, where the workers know their producers: "
            "docs/security.md. Without `2:` nobody is answered",
        },
        SIGNED_AT: {"type": "integer", "description": "Seconds since 1970, part of what is signed"},
    }
    travel = {
        PUBLISHED_AT: {"type": "number", "description": "Seconds since 1970, for metrics alone; may be left out"},
        TRACEPARENT: {**text, "description": "W3C Trace Context: events carry a sampled one on; may be left out"},
    }
    state = {"enum": ["SUCCESS", "FAILURE"], "description": "FAILURE: parked as a dead letter, nothing was applied"}
    return {
        "CeleryHeaders": object_of(
            {**required, **usual, **signing, **travel},
            tuple(required),
            description="Headers of Celery's message protocol 2",
        ),
        "CeleryEmbed": {
            "type": ["object", "null"],
            "description": "Celery's callbacks and the like; null, or an object in which all are null",
        },
        "CeleryFailure": object_of(
            {"exc_type": text, "exc_message": {}, "exc_module": text},
            ("exc_type", "exc_message"),
            description="Why the message was parked",
        ),
        "CeleryResult": object_of(
            {"task_id": {**text, "description": "id of the job's message"}, "status": state, "result": {}},
            description="A result as Celery stores or sends it. Only a courtesy: the outcome is in the database",
        ),
    }


def _errors() -> dict[str, Schema]:
    text = {"type": "string"}
    violation = object_of(
        {"type": text, "loc": {"type": "array", "items": {"type": ["string", "integer"]}}, "msg": text, "input": {}},
        description="One breach of the contract",
    )
    return {
        "Violation": violation,
        "UserError": object_of(
            {
                "detail": {
                    "anyOf": [
                        text,
                        {"type": "array", "items": ref("Violation")},
                        object_of({"message": text}, description="With details, such as those of idempotency_conflict"),
                    ]
                }
            }
        ),
        "WalletError": object_of(
            {
                "success": {"const": False},
                "error": object_of(
                    {
                        "message": text,
                        "internal_error": {"allOf": [ref("Code")], "description": "The outcome's code"},
                        "details": {"type": "object"},
                    }
                ),
            }
        ),
        "AppError": object_of(
            {
                "status": {"type": "integer"},
                "success": {"const": False},
                "error": object_of(
                    {
                        "code": text,
                        "message": text,
                        "fields": {
                            "type": "object",
                            "additionalProperties": {"type": "array", "items": text},
                            "description": "invalid_request: what is wrong, by field",
                        },
                        "details": {"type": "object"},
                    },
                    ("code", "message"),
                ),
            }
        ),
        "EntryError": {**ref("WalletError")},
        "TopUpError": {**ref("WalletError")},
        "EndpointError": {**ref("WalletError")},
        "AlertsError": {**ref("WalletError")},
    }


def _outcomes() -> dict[str, Schema]:
    """The outcome document, and the Celery result that carries it, for each body it can be answered with."""
    bodies: dict[str, Schema] = {profile: ref(f"{profile}Body") for profile in PROFILES}
    bodies["Entry"] = {"anyOf": list(bodies.values())}
    made: dict[str, Schema] = {}
    for profile, body in bodies.items():
        error = {"allOf": [ref("ErrorDocument"), object_of({"body": ref(f"{profile}Error")})]}
        made[f"{profile}Outcome"] = {
            "allOf": [ref("OutcomeDocument"), object_of({"response": nullable(body), "error": nullable(error)})]
        }
        result = {"anyOf": [ref(f"{profile}Outcome"), ref("CeleryFailure")]}
        made[f"{profile}Result"] = {"allOf": [ref("CeleryResult"), object_of({"result": result})]}
    return made
