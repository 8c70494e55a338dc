"""From a request to its response: who asks, for what, under which key, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from anyio.to_thread import run_sync
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from balance_client import Outcome
from balance_client.publishing.ids import new_id
from models.contracts.catalogue import CATALOGUE
from models.contracts.message import Malformed, parse
from models.contracts.wire.envelope import Contract
from models.domain.accounts import AccountKey, Kind
from models.domain.errors import TransientFault
from models.domain.outcome import Code, Refusal
from worker.http import operations
from worker.http.door import Accepted, Door
from worker.http.endpoints import Answer, as_json
from worker.http.faces import Refused, jobs
from worker.http.metrics import DoorMetrics
from worker.http.operations import Fields, Operation
from worker.http.requests import IDEMPOTENCY_KEY, Preference, as_header, header_key, invalid, json_object, read_body
from worker.publishers.http_keys import HttpKey, KeyRing
from worker.publishers.rate import RateLimiter

_HALF_ASKED: Final = (
    "The first of two jobs is not settled, and the second not published; send it again with the same key"
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a request may be: from the settings."""

    wait_s: float
    wait_max_s: float
    body_bytes: int


@dataclass(frozen=True, slots=True)
class Handlers:
    """Makes the endpoints. What each needs is handed in: nothing here knows settings or the environment."""

    door: Door
    keys: KeyRing
    rate: RateLimiter
    metrics: DoorMetrics
    bounds: Bounds

    def job(self, operation: Operation) -> Answer:
        """The endpoint of an operation."""
        return partial(self._ask, operation)

    async def any_job(self, request: Request) -> Response:
        """POST /jobs/NAME: any job of the catalogue, answered with its outcome document."""
        name = request.path_params["job"]
        if name not in CATALOGUE:
            raise Refused(404, "unknown_job", f"There is no job of this name; there are {', '.join(CATALOGUE)}")
        names: operations.Names = lambda _path, _query: {}  # noqa: E731
        operation = Operation("POST", (), name, "", names, frozenset(), lambda outcome, _asked: outcome.raw)
        return await self._ask(operation, request)

    def read(self, look: Callable[[Request, HttpKey], Any]) -> Answer:
        """An endpoint that looks something up: `look` is called in a thread."""

        async def answer(request: Request) -> Response:
            key = self.authenticated(request)
            if not key.reads:
                raise Refused(403, "not_allowed", "This key may not read")
            if any("\0" in each for each in request.path_params.values()):  # no name has it, and no database takes it
                raise Refused(404, "not_found", "There is nothing at this path")
            try:
                return as_json(200, await run_sync(look, request, key))
            except TransientFault as error:
                raise Refused(
                    503, "database_away", "The database does not answer", headers={"Retry-After": "1"}
                ) from error

        return answer

    def authenticated(self, request: Request) -> HttpKey:
        """Whose request it is. Raises Refused: 401, or 429 when it is one too many."""
        presented = request.headers.get("x-api-key")
        if presented is None:
            scheme, _, presented = request.headers.get("authorization", "").partition(" ")
            presented = presented.strip() if scheme.lower() == "bearer" else ""
        key = self.keys.find(presented)
        if key is None:
            said = "Invalid API key" if presented else "Missing API key"
            raise Refused(401, "unauthorized", said, headers={"WWW-Authenticate": "Bearer"})
        if wait_s := self.rate.wait_s(key.id, key.rate_per_s):
            raise Refused(429, "rate_limited", f"Too many requests of {key.id}", headers={"Retry-After": str(wait_s)})
        return key

    async def _ask(self, operation: Operation, request: Request) -> Response:
        key = self.authenticated(request)
        _permit(key, operation.job)
        body = await read_body(request, self.bounds.body_bytes)
        try:
            fields = self._fields(operation, request, key, json_object(request, body))
            companion = operation.companion(fields)
            job = _valid(operation.contract, fields)
            after = None if companion is None else _valid(CATALOGUE[companion[0]], companion[1])
        except Refused as refused:
            if refused.code != Code.INVALID_REQUEST.value:
                raise
            return self._refusal(operation, Refusal(Code.INVALID_REQUEST, refused.message, refused.details), {})
        named = {IDEMPOTENCY_KEY: as_header(job.idempotency_key)}
        for each in (job, after):  # neither is published unless both can be
            if each is None:
                continue
            command = each.to_command()
            if isinstance(command, Refusal):
                return self._refusal(operation, command, named)
            _permit(key, each.NAME, command.target)
        preference = Preference.of(request)
        wait_s = min(self.bounds.wait_max_s, self.bounds.wait_s if preference.wait_s is None else preference.wait_s)
        try:
            # Who is not waiting for the first of two jobs would never have the second one published.
            at_once = preference.respond_async
            outcome = await self.door.settle(job, wait_s, respond_async=at_once and after is None)
            if after is not None and isinstance(outcome, Accepted):
                raise Refused(503, "not_settled", _HALF_ASKED, headers={"Retry-After": "1"})
            if after is not None and isinstance(outcome, Outcome) and outcome.applied:
                outcome = await self.door.settle(after, wait_s, respond_async=at_once)
        except Refused as refused:
            raise Refused(
                refused.status, refused.code, refused.message, refused.details, {**refused.headers, **named}
            ) from refused
        if isinstance(outcome, Accepted):
            return self._accepted(outcome, named, applied=preference.respond_async)
        return self._settled(operation, job, outcome, named)

    def _fields(self, operation: Operation, request: Request, key: HttpKey, given: Fields) -> Fields:
        """What is asked, with what path, token and headers say of it. Raises Refused."""
        said = operation.names(request.path_params, request.query_params)
        if operation.for_app:
            if key.app is None:
                raise Refused(403, "not_allowed", f'{key.id} names no app: its entry has no "app"')
            said |= operations.app_fields(key.app)
        said["producer"] = key.producer
        fields = operation.translate(given)
        for name in (*said, *operation.named):
            if name in fields and fields[name] != said.get(name):
                raise invalid("contradiction", [name], f"{name} is not that of the path or the key", fields[name])
        fields |= said
        in_header, in_body = header_key(request), fields.get("idempotency_key")
        if in_header is not None and in_body not in (None, in_header):
            raise Refused(409, "key_ambiguous", f"{IDEMPOTENCY_KEY} and the body's idempotency_key differ")
        if in_header is not None or in_body is None:
            fields["idempotency_key"] = new_id() if in_header is None else in_header
        if operation.job == "wallets.create" and "wallet_id" not in fields and operation.paths:
            fields["wallet_id"] = operations.made_wallet_id(key.producer, str(fields["idempotency_key"]))
        return fields

    def _settled(self, operation: Operation, job: Contract, outcome: Outcome, named: Mapping[str, str]) -> Response:
        self.metrics.settled(outcome_job(operation), outcome.code, replayed=outcome.replayed)
        headers = {**named, "Idempotent-Replayed": "true"} if outcome.replayed else named
        if outcome.error is not None:
            document = outcome.error.body if operation.paths else outcome.raw
            return as_json(outcome.error.status, document, headers)
        return as_json(operation.status, operation.answer(outcome, job), headers)

    def _refusal(self, operation: Operation, refusal: Refusal, headers: Mapping[str, str]) -> Response:
        error = operation.contract.error(refusal)
        if operation.paths:
            return as_json(error["status"], error["body"], headers)
        return as_json(422, jobs(422, refusal.code.value, refusal.message, dict(refusal.details)), headers)

    def _accepted(self, accepted: Accepted, named: Mapping[str, str], *, applied: bool) -> Response:
        headers = {**named, "Location": f"/jobs/{quote(accepted.key, safe='')}", "Retry-After": "1"}
        if applied:
            headers["Preference-Applied"] = "respond-async"
        return as_json(202, {"status": "accepted", "idempotency_key": accepted.key}, headers)


def _permit(key: HttpKey, job: str, target: object = None) -> None:
    """Raises Refused: 403. Whichever way a job is asked for, and whichever else comes with it."""
    if job not in key.jobs:
        raise Refused(403, "not_allowed", f"{key.id} may not ask for {job}")
    if isinstance(target, AccountKey) and target.kind is Kind.APP and key.app not in (None, target):
        raise Refused(403, "not_allowed", f"{key.id} is the key of {key.app}, and may ask nothing for {target}")


def outcome_job(operation: Operation) -> str:
    return operation.job


def _valid(contract: type[Contract], fields: Fields) -> Contract:
    """Raises Refused with all that is wrong with them."""
    try:
        return contract.model_validate(fields)
    except ValidationError:
        pass
    except RecursionError:
        raise invalid("too_deep", [], "The body is nested too deeply", None) from None
    try:
        refusal = parse(contract.NAME, fields).command
    except Malformed as error:
        raise Refused(422, Code.INVALID_REQUEST.value, str(error), {"errors": _about_key(str(error), fields)}) from None
    assert isinstance(refusal, Refusal), "it was not valid a moment ago"
    raise Refused(422, Code.INVALID_REQUEST.value, refusal.message, refusal.details)


def _about_key(message: str, fields: Fields) -> list[dict[str, Any]]:
    return [
        {"type": "unusable_key", "loc": ["body", "idempotency_key"], "msg": message,
         "input": str(fields.get("idempotency_key"))[:255]},
    ]  # fmt: skip
