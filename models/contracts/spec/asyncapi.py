"""The AsyncAPI 3.0 document: every job, its answer and the events, made from the contracts themselves."""

from __future__ import annotations

from typing import Any, Final

import yaml

from models.contracts.catalogue import CATALOGUE
from models.contracts.spec.event_examples import EVENT_EXAMPLES
from models.contracts.spec.event_schemas import event_schema
from models.contracts.spec.examples import EXAMPLES
from models.contracts.spec.parts import PROFILES, Schema, ref
from models.contracts.spec.schemas import family_of, schemas
from models.contracts.wire.envelope import Contract
from models.contracts.wire.schemas import UNSAID
from models.domain.events import EventType

COMMAND: Final = "balance-worker asyncapi > asyncapi.yaml"
VERSION: Final = "0.1.0"
_QUEUE: Final = "balance"
_EXAMPLE_TASK_ID: Final = "5d1a3e0e-7f6c-4b2a-9d57-0c4f2b8e6a11"
_EMBED: Final = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}

_ABOUT: Final = """\
Any service puts a money job on a queue with an idempotency key, and the job changes the balance exactly once, whatever
crashes. The same key is given the same answer for ever after; a key used again with another meaning is refused.

Messages are ordinary Celery messages (protocol 2), so a Celery `send_task` is all it takes. How to publish from Python
and from other languages, with a complete message for either broker: docs/publishing.md. What codes mean and what to do
about them: docs/outcomes.md.

Delivery is at least once; the effect on the balance is exactly once.
"""
_UNSAID_TEXT: Final = """
What the schemas of the jobs accept the workers accept, and the other way round, but for what no schema can say:

"""
_QUEUE_TEXT: Final = """\
The queue of money jobs; its name is a setting of the worker (BALANCE_QUEUE).

* Redis/Valkey: the list `balance`; publish with LPUSH, workers take from the other end.
* RabbitMQ: the durable queue `balance`, through the default exchange. Workers declare it, as a quorum queue; publishers
  do not. Publish persistent, with publisher confirms **and** mandatory: without both a missing queue swallows the
  message in silence.
"""
_OUTCOMES_TEXT: Final = """\
Where the answer goes when the job's message does not say `ignore_result`.

* Redis/Valkey: the key `celery-task-meta-<id>`, announced on the channel of the same name.
* RabbitMQ: the queue named by the message's reply-to, with the correlation id `<id>`.

Numbers with a fraction are JSON numbers with all their digits: read them as decimals, not as floats.
"""
_EVENTS_TEXT: Final = """\
What there is to tell when a balance has moved, when time has done something to it, or when a job was refused. Events
are written in the transaction of the job, and delivered at least once, with the same `id` each time, in order for each
account. Numbers with a fraction are JSON numbers with all their digits. When each is told: docs/events.md.
"""


def document() -> dict[str, Any]:
    """The document as plain values. The same for the same contracts."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "balance-worker",
            "version": VERSION,
            "description": _ABOUT + _UNSAID_TEXT + "".join(f"* {rule}.\n" for rule in UNSAID.values()),
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "redis": {"host": "localhost:6379", "protocol": "redis", "description": "Redis or Valkey"},
            "rabbitmq": {"host": "localhost:5672", "protocol": "amqp", "description": "RabbitMQ"},
        },
        "channels": _channels(),
        "operations": _operations(),
        "components": {"schemas": schemas()},
    }


def to_yaml() -> str:
    """The document as the text of asyncapi.yaml."""
    head = f"# Made from models/contracts: {COMMAND}\n"
    return head + yaml.dump(document(), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)


class _Plain(yaml.SafeDumper):
    """Without anchors, which few readers of AsyncAPI expect, and with texts of several lines as blocks."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Plain.add_representer(str, _text)


def _channels() -> dict[str, Any]:
    return {
        "balance": {
            "address": _QUEUE,
            "title": "Money jobs",
            "description": _QUEUE_TEXT,
            "servers": [{"$ref": "#/servers/redis"}, {"$ref": "#/servers/rabbitmq"}],
            "messages": {name: _job_message(contract) for name, contract in CATALOGUE.items()},
            "bindings": {
                "redis": {},
                "amqp": {
                    "is": "queue",
                    "queue": {"name": _QUEUE, "durable": True, "exclusive": False, "autoDelete": False, "vhost": "/"},
                    "bindingVersion": "0.3.0",
                },
            },
        },
        "outcomes": {
            "address": None,
            "title": "Answers",
            "description": _OUTCOMES_TEXT,
            "messages": {
                f"{profile}Result": {
                    "title": f"Answer to {jobs}",
                    "contentType": "application/json",
                    "payload": ref(f"{profile}Result"),
                }
                for profile, jobs in _jobs_by_family().items()
            },
        },
        "events": {
            "address": None,
            "title": "Events",
            "description": _EVENTS_TEXT,
            "messages": {kind.value: _event_message(kind) for kind in EventType},
        },
    }


def _event_message(kind: EventType) -> dict[str, Any]:
    message = {"name": kind.value, "contentType": "application/json", "payload": ref(event_schema(kind))}
    example = EVENT_EXAMPLES.get(kind.value)
    return message if example is None else {**message, "examples": [{"name": kind.value, "payload": example}]}


def _jobs_by_family() -> dict[str, str]:
    return {
        profile: ", ".join(name for name in CATALOGUE if family_of(name) == profile) for profile in (*PROFILES, "Entry")
    }


def _job_message(contract: type[Contract]) -> dict[str, Any]:
    name = contract.NAME
    return {
        "name": name,
        "title": contract.SUMMARY,
        "contentType": "application/json",
        "headers": {
            "allOf": [ref("CeleryHeaders"), {"type": "object", "properties": {"task": {"const": name}}}],
        },
        "payload": payload_schema(contract),
        "correlationId": {"location": "$message.header#/id", "description": "Also the message's correlation id"},
        "bindings": {"amqp": {"contentEncoding": "utf-8", "messageType": name, "bindingVersion": "0.3.0"}},
        "examples": [
            {"name": f"{name}-{number}", "headers": _example_headers(name, kwargs), "payload": [[], kwargs, _EMBED]}
            for number, kwargs in enumerate(EXAMPLES[name], start=1)
        ],
    }


def payload_schema(contract: type[Contract]) -> Schema:
    """[args, kwargs, embed]: the body of a Celery message of protocol 2."""
    nothing = {"type": "array", "maxItems": 0, "description": "No positional arguments: the message would be parked"}
    return {
        "type": "array",
        "items": [nothing, ref(contract.__name__), ref("CeleryEmbed")],
        "additionalItems": False,
        "minItems": 3,
    }


def _example_headers(name: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    return {
        "lang": "py",
        "task": name,
        "id": _EXAMPLE_TASK_ID,
        "root_id": _EXAMPLE_TASK_ID,
        "parent_id": None,
        "group": None,
        "retries": 0,
        "timelimit": [None, None],
        "eta": None,
        "expires": None,
        "argsrepr": "()",
        "kwargsrepr": f"{name} key={kwargs['idempotency_key']}",
        "origin": "billing@host-1",
        "ignore_result": False,
    }


def _operations() -> dict[str, Any]:
    jobs = {name: _job_operation(contract) for name, contract in CATALOGUE.items()}
    events = {
        "events": {
            "action": "send",
            "channel": {"$ref": "#/channels/events"},
            "summary": "Tell others what has happened",
        }
    }
    return {**jobs, **events}


def _job_operation(contract: type[Contract]) -> dict[str, Any]:
    name = contract.NAME
    return {
        "action": "receive",
        "channel": {"$ref": "#/channels/balance"},
        "summary": contract.SUMMARY,
        "messages": [{"$ref": f"#/channels/balance/messages/{name}"}],
        "bindings": {
            "amqp": {"deliveryMode": 2, "mandatory": True, "ack": True, "bindingVersion": "0.3.0"},
        },
        "reply": {
            "address": {
                "location": "$message.header#/id",
                "description": "Redis: the key celery-task-meta-<id>. RabbitMQ: the queue named by reply-to.",
            },
            "channel": {"$ref": "#/channels/outcomes"},
            "messages": [{"$ref": f"#/channels/outcomes/messages/{family_of(name)}Result"}],
        },
    }
