"""One job on its way to the queue: checked against its contract, then framed as an ordinary Celery message."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from functools import cache
from time import time
from typing import Any, Final

from pydantic import ValidationError

from balance_client.publishing.ids import new_id
from balance_client.routing import known_by_id
from balance_client.tracing import current_traceparent
from models.contracts.catalogue import CATALOGUE
from models.contracts.wire.envelope import Contract, violations
from models.contracts.wire.signature import SIGNATURE, SIGNED_AT, Signed, sign
from models.contracts.wire.travel import PUBLISHED_AT, TRACEPARENT
from models.domain.accounts import AccountKey
from models.domain.deciding.commands import EntryOfJob
from models.domain.deciding.top_up_commands import ChargeOf
from models.domain.outcome import Refusal
from models.domain.text import storable

_VALUE_LENGTH_MAX: Final = 200  # characters of a wrong value that an error message repeats
_JSON: Final = json.JSONEncoder()
_EMBED: Final = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}

JobSpec = Contract | tuple[str, Mapping[str, Any]]
"""What can be published: a contract's instance, or a job's name with its keyword arguments."""


class Absent(Enum):
    """The type of `ABSENT`."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return self.name


ABSENT: Final = Absent.ABSENT
"""The field is not sent, which leaves things as they are or at the default; None is sent, as null."""


class InvalidJob(ValueError):
    """The job breaks its contract; nothing was published. The text names each field, its value and the rule.

    `errors` says the same to programs: [{"type", "loc": ["body", field, …], "msg", "input"}], the shape in which the
    worker refuses such a job. `index` is the place of the job among those given to `submit_many`, otherwise None.
    """

    def __init__(self, name: str, errors: list[dict[str, Any]], sentences: list[str], index: int | None = None) -> None:
        where = name if index is None else f"jobs[{index}]: {name}"
        super().__init__(f"{where}: {'; '.join(sentences)}")
        self.name = name
        self.errors = errors
        self.sentences = sentences
        self.index = index


@dataclass(frozen=True, slots=True)
class JobMessage:
    """A valid job with what its Celery message needs."""

    name: str
    producer: str
    idempotency_key: str
    task_id: str
    kwargs: Mapping[str, Any]  # JSON values; only the fields that were given
    want_result: bool
    account: str | None  # wallet:w_1, or id:0197… of the job that it names; None when the publisher cannot know it
    secret: str | None = field(default=None, repr=False)  # signs the message
    traceparent: str | None = None  # of the trace that it is part of, where somebody records that

    def body(self) -> bytes:
        """The payload of Celery's protocol 2, [args, kwargs, embed], as JSON."""
        return _JSON.encode(((), self.kwargs, _EMBED)).encode()

    def headers(self, body: bytes, reply_to: str = "") -> dict[str, Any]:
        """The headers of Celery's protocol 2, with the signature. `reply_to`: the queue for the answer, if it is sent.

        The representations are for logs and monitors: no amounts in them.
        """
        return {
            **self._signature(body, reply_to),
            **self._travel(),
            "lang": "py",
            "task": self.name,
            "id": self.task_id,
            "shadow": None,
            "eta": None,
            "expires": None,
            "group": None,
            "group_index": None,
            "retries": 0,
            "timelimit": [None, None],
            "root_id": self.task_id,
            "parent_id": None,
            "argsrepr": "()",
            "kwargsrepr": f"{self.name} key={self.idempotency_key}",
            "origin": _origin(os.getpid()),
            "ignore_result": not self.want_result,
            "replaced_task_nesting": 0,
            "stamped_headers": None,
            "stamps": {},
        }

    def _travel(self) -> dict[str, Any]:
        said: dict[str, Any] = {PUBLISHED_AT: round(time(), 3)}
        return said if self.traceparent is None else {**said, TRACEPARENT: self.traceparent}

    def _signature(self, body: bytes, reply_to: str) -> dict[str, Any]:
        if self.secret is None:
            return {}
        signed_at = int(time())
        signed = Signed(self.name, body, signed_at, task_id=self.task_id, reply_to=reply_to)
        return {SIGNED_AT: signed_at, SIGNATURE: sign(self.secret, signed)}


@cache  # asking for the name lets other threads run first, which costs more than all else here
def _origin(process: int) -> str:
    return f"gen{process}@{socket.gethostname()}"


def job_message(job: JobSpec, producer: str, want_result: bool, secret: str | None = None) -> JobMessage:
    """The message for a job, by `producer` unless the job names another. Raises InvalidJob.

    With a secret the message is signed, which `producer` can do for itself alone.
    """
    body = understood(job, producer)
    if secret is not None and body.producer != producer:
        rule = f"The secret is that of {producer}"
        error = {"type": "foreign_producer", "loc": ["body", "producer"], "msg": rule, "input": body.producer}
        raise InvalidJob(body.NAME, [error], [f"producer = {_shown(body.producer)}: {rule}"])
    return JobMessage(
        name=body.NAME,
        producer=body.producer,
        idempotency_key=body.idempotency_key,
        task_id=new_id(),
        # Decimals become strings, times RFC 3339: what JSON could not carry exactly is text.
        kwargs=body.model_dump(mode="json", exclude_unset=True),
        want_result=want_result,
        account=_account(getattr(body.to_command(), "target", None)),
        secret=secret,
        traceparent=current_traceparent(),
    )


def _account(target: object) -> str | None:
    match target:
        case AccountKey():
            return str(target)
        case EntryOfJob(named) | ChargeOf(named):
            return known_by_id(named)
        case _:
            return None


def understood(job: JobSpec, producer: str) -> Contract:
    """The valid contract of a job. Raises InvalidJob for what the worker would refuse without looking at a balance."""
    if isinstance(job, Contract):
        name, body = job.NAME, job
        if "producer" not in body.model_fields_set:
            body = body.model_copy(update={"producer": producer})
    else:
        name, kwargs = job
        body = _parsed(name, {"producer": producer, **kwargs})
    command = body.to_command()
    if isinstance(command, Refusal):
        raise _refused(name, body, command)
    return body


def _parsed(name: str, kwargs: Mapping[str, Any]) -> Contract:
    contract = CATALOGUE.get(name)
    if contract is None:
        known = ", ".join(CATALOGUE)
        error = {"type": "unknown_job", "loc": ["body"], "msg": f"There are {known}", "input": name}
        raise InvalidJob(name, [error], [f"there is no such job; there are {known}"])
    try:
        return contract.model_validate(kwargs)
    except ValidationError as error:
        errors = violations(error)
        given = [item["input"] for item in error.errors(include_url=False, include_context=False)]
        raise InvalidJob(name, errors, [*map(_sentence, errors, given)]) from error


def _refused(name: str, body: Contract, refusal: Refusal) -> InvalidJob:
    details = refusal.details
    fields = [details["field"]] if "field" in details else list(details.get("fields", ()))
    values = {field: getattr(body, field, None) for field in fields}
    errors = [
        {"type": refusal.code.value, "loc": ["body", field], "msg": refusal.message, "input": _plain(value)}
        for field, value in values.items()
    ]
    shown = ", ".join(f"{field} = {_shown(value)}" for field, value in values.items())
    return InvalidJob(name, errors, [f"{shown}: {refusal.message}" if shown else refusal.message])


def _sentence(error: Mapping[str, Any], value: Any) -> str:
    field, rule = ".".join(map(str, error["loc"][1:])), error["msg"]
    if not field:
        return str(rule)  # about the body as a whole
    if error["type"] == "missing":
        return f"{field} is missing"
    return f"{field} = {_shown(value)}: {rule}"


def _shown(value: Any) -> str:
    try:
        text = str(storable(value)) if isinstance(value, (int, Decimal)) else repr(value)
    except ValueError:  # it holds an integer that is too long to be written
        text = str(storable(value))
    if len(text) > _VALUE_LENGTH_MAX:
        text = f"{text[:_VALUE_LENGTH_MAX]}…"
    return text if value is None else f"{text} ({type(value).__name__})"


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
