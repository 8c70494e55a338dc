"""From a message's arguments to a job: understood, refused at its turn, or not a job at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from models.contracts.catalogue import CATALOGUE
from models.contracts.wire.envelope import Contract, Identity, violations
from models.domain.deciding.commands import Job
from models.domain.idempotency import canonical, fingerprint
from models.domain.outcome import Code, Refusal
from models.domain.text import storable


class Malformed(ValueError):
    """The message can't be answered under any key. `reason` is a stable code; the text says what to do."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def parse(name: str, kwargs: Mapping[str, Any]) -> Job:
    """The job that the keyword arguments ask for.

    Raises Malformed when there is no such job or no usable key. Arguments that break the contract make a Job whose
    command is a Refusal, so that it is answered, stored and replayed like any other.
    """
    contract = CATALOGUE.get(name)
    if contract is None:
        raise Malformed("unknown_job", f"There is no job named {name!r}; there are {', '.join(CATALOGUE)}")
    try:
        return _understood(contract, kwargs)
    except RecursionError as error:
        raise Malformed("too_deep", f"{name} cannot be answered: its arguments are nested too deeply") from error


def to_job(body: Contract) -> Job:
    """The job of a valid body."""
    meaning = body.meaning()
    return Job(
        name=body.NAME,
        producer=body.producer,
        key=body.idempotency_key,
        meaning=meaning,
        fingerprint=fingerprint(body.NAME, meaning),
        occurred_at=body.occurred_at,
        metadata=body.metadata or {},
        command=body.to_command(),
    )


def _understood(contract: type[Contract], kwargs: Mapping[str, Any]) -> Job:
    try:
        return to_job(contract.model_validate(kwargs))
    except ValidationError as error:
        return _refused(contract, kwargs, error)


def _refused(contract: type[Contract], kwargs: Mapping[str, Any], error: ValidationError) -> Job:
    try:
        identity = Identity.model_validate(dict(kwargs))
    except ValidationError as identity_error:
        wrong = "; ".join(f"{item['loc'][-1]}: {item['msg']}" for item in violations(identity_error))
        raise Malformed("unusable_key", f"{contract.NAME} cannot be answered: {wrong}") from identity_error
    errors = violations(error)
    first = f"{'.'.join(str(part) for part in errors[0]['loc'][1:]) or 'body'}: {errors[0]['msg']}"
    meaning = canonical(storable(contract.asked(kwargs)))
    return Job(
        name=contract.NAME,
        producer=identity.producer,
        key=identity.idempotency_key,
        meaning=meaning,
        fingerprint=fingerprint(contract.NAME, meaning),
        occurred_at=None,
        metadata=storable(kwargs.get("metadata", {})),
        command=Refusal(Code.INVALID_REQUEST, f"Invalid request: {first}", {"errors": errors}),
    )
