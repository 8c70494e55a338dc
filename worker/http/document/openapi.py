"""The OpenAPI document, made from the contracts: what the door takes and how it answers."""

from __future__ import annotations

from typing import Any, Final

from models.contracts.catalogue import CATALOGUE
from models.contracts.spec.examples import EXAMPLES
from models.contracts.spec.parts import Schema, ref
from models.contracts.spec.schemas import schemas
from worker.http.document.schemas import OF_THE_DOOR, asked_schema, with_transaction
from worker.http.faces import Face, apps, face_of, users, wallets
from worker.http.operations import OPERATIONS, Operation
from worker.http.reads import PAGE_MAX

_ERROR_OF: Final[dict[Face, str]] = {users: "UserError", wallets: "WalletDoorError", apps: "AppError"}
_ERRORS: Final = {
    "400": "The request, or what it asks for, is refused", "401": "No API key, or one that is not known",
    "402": "The balance does not suffice", "403": "The key may not do this", "404": "Not found",
    "409": "The account's state, or the idempotency key, does not allow it",
    "413": "The body is too large", "415": "The body is not JSON", "422": "The request breaks the contract",
    "429": "Too many requests", "500": "The job could not be settled, or a mistake of ours",
    "421": "The account is in another shard: ask a door of that one",
    "503": "The broker or the database is away, or not all of it is on its way: send it again with the same key",
}  # fmt: skip
_OF_JOBS: Final = tuple(status for status in _ERRORS if status != "421")  # they are sent to their shard
_OF_READS: Final = ("400", "401", "403", "404", "421", "422", "429", "500", "503")
_RETRY_AFTER: Final[Schema] = {"description": "Seconds to wait", "schema": {"type": "integer", "minimum": 1}}
_KEY_HEADERS: Final[Schema] = {
    "Idempotency-Key": {
        "description": "The key of the job, made by the door if none was sent",
        "schema": {"type": "string"},
    },
    "Idempotent-Replayed": {
        "description": "true: the key had been answered before, and this is that answer",
        "schema": {"enum": ["true"]},
    },
}
_PARAMETERS: Final[Schema] = {
    "IdempotencyKey": {
        "name": "Idempotency-Key", "in": "header",
        "description": "Names the job: the same key and meaning is applied once and answered alike. Without one the "
        "door makes one up, and a request that is sent again may be applied again.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    },
    "Prefer": {
        "name": "Prefer", "in": "header", "description": "respond-async: answered 202 at once; wait=N: after N s",
        "schema": {"type": "string"},
        "examples": {"wait": {"value": "wait=30"}},
    },
}  # fmt: skip


def document() -> Schema:
    """OpenAPI 3.1."""
    paths: dict[str, Schema] = {}
    for operation in OPERATIONS:
        for path in operation.paths:
            paths.setdefault(path, {})[operation.method.lower()] = _described(operation, path)
    for path, described in _reads().items():
        paths.setdefault(path, {})["get"] = described
    paths["/jobs/{job}"]["post"] = _any_job()
    components = {
        **schemas(),
        **OF_THE_DOOR,
        "WalletWithTransaction": with_transaction(),
        **{_asked_name(each): asked_schema(each) for each in OPERATIONS},
    }
    reachable = _reachable(paths, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "balance-worker",
            "version": "1",
            "summary": "Balances, changed exactly once",
            "description": "Each request is a job on the queue: applied once under its idempotency key, in order per "
            "account, and answered alike ever after. Times are RFC 3339 in UTC; amounts are decimals, never floats.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{"ApiKey": []}, {"Bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "Bearer": {"type": "http", "scheme": "bearer"},
            },
            "parameters": _PARAMETERS,
            "schemas": reachable,
        },
    }


def _asked_name(operation: Operation) -> str:
    return f"{operation.contract.__name__}Request"


def _described(operation: Operation, path: str) -> Schema:
    first = operation.paths.index(path) == 0
    described: Schema = {
        "operationId": operation.job.replace(".", "_") + ("" if first else "_short"),
        "tags": [operation.job.partition(".")[0]],
        "summary": operation.summary,
        "description": f"The job `{operation.job}`: {operation.contract.SUMMARY}.",
        "parameters": [*_path_parameters(operation, path), *_query(operation), *_headers()],
        "requestBody": {
            "required": bool(asked_schema(operation).get("required")),
            "content": {"application/json": {"schema": ref(_asked_name(operation)), "examples": _examples(operation)}},
        },
        "responses": {
            str(operation.status): _answer("Carried out", ref(_answer_name(operation)), _KEY_HEADERS),
            "202": _accepted(),
            **_errors(path, _OF_JOBS),
        },
    }
    if operation.job == "wallets.create":
        described["responses"]["200"]["links"] = {
            "wallet": {"operationId": "get_wallet", "parameters": {"id": "$response.body#/id"}},
            "topUp": {"operationId": "wallets_top_up", "parameters": {"id": "$response.body#/id"}},
            "transactions": {"operationId": "get_wallet_transactions", "parameters": {"id": "$response.body#/id"}},
        }
    return described


def _answer_name(operation: Operation) -> str:
    family = operation.job.partition(".")[0]
    if operation.job in ("wallets.top_up", "wallets.debit", "wallets.hold"):
        return "WalletWithTransaction"
    return {"users": "UserBody", "apps": "AppBody", "auto_topup": "TopUpBody"}.get(family, "WalletTexts")


def _examples(operation: Operation) -> Schema:
    left_out = {*operation.named, "producer", "idempotency_key"}
    found = [{name: value for name, value in each.items() if name not in left_out} for each in EXAMPLES[operation.job]]
    return {f"example{number}": {"value": each} for number, each in enumerate(found, 1)}


def _path_parameters(operation: Operation | None, path: str) -> list[Schema]:
    names = [part[1:-1].partition(":")[0] for part in path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": _path_schema(name, operation)} for name in names]


def _path_schema(name: str, operation: Operation | None) -> Schema:
    if name == "user_id":
        return {"type": "integer", "minimum": 1, "maximum": 2**63 - 1}
    if operation is not None and "job_id" in operation.named:
        return {"type": "string", "format": "uuid"}
    return {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[A-Za-z0-9._~:-]+$"}


def _query(operation: Operation) -> list[Schema]:
    return [_by()] if operation.query else []


def _by() -> Schema:
    return {"name": "by", "in": "query", "description": "telegram: the id in the path is a Telegram id",
            "schema": {"enum": ["id", "telegram"]}}  # fmt: skip


def _headers() -> list[Schema]:
    return [{"$ref": f"#/components/parameters/{name}"} for name in _PARAMETERS]


def _answer(description: str, schema: Schema, headers: Schema | None = None) -> Schema:
    answer: Schema = {"description": description, "content": {"application/json": {"schema": schema}}}
    return {**answer, "headers": headers} if headers else answer


def _accepted() -> Schema:
    headers = {**_KEY_HEADERS, "Location": {"description": "Where its outcome will be", "schema": {"type": "string"}}}
    return _answer("On the queue; its outcome is not known yet", ref("Accepted"), headers)


def _errors(path: str, statuses: tuple[str, ...]) -> Schema:
    schema = ref(_ERROR_OF.get(face_of(path), "JobError"))
    headers: dict[str, Schema] = {"429": {"Retry-After": _RETRY_AFTER}, "503": {"Retry-After": _RETRY_AFTER}}
    return {status: _answer(_ERRORS[status], schema, headers.get(status)) for status in statuses}


def _any_job() -> Schema:
    # What is asked of a job by its name alone: its own document says it (asyncapi.yaml).
    body: Schema = {"type": "object", "description": "The job's fields, as asyncapi.yaml describes them"}
    examples = {job: {"value": {name: value for name, value in EXAMPLES[job][0].items()
                               if name not in ("producer", "idempotency_key")}}
                for job in CATALOGUE}  # fmt: skip
    errors = _errors("/jobs", _OF_JOBS)
    outcome_or_error: Schema = {"anyOf": [ref("OutcomeDocument"), ref("JobError")]}
    for answer in errors.values():
        answer["content"]["application/json"]["schema"] = outcome_or_error
    return {
        "operationId": "publish_job",
        "tags": ["jobs"],
        "summary": "Any job, answered with its outcome",
        "description": "Every job of the catalogue by its name; the status is that of the source API's answer.",
        "parameters": [
            {"name": "job", "in": "path", "required": True, "schema": {"enum": [*CATALOGUE]}},
            *_headers(),
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body, "examples": examples}}},
        "responses": {
            "200": _answer("Carried out", ref("OutcomeDocument"), _KEY_HEADERS),
            "202": _accepted(),
            **errors,
        },
    }


def _reads() -> dict[str, Schema]:
    user = _look("get_user", "users", "A user", "/users/{user_id}", "UserBody", [_by()])
    paging = [
        {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": PAGE_MAX}},
        {"name": "offset", "in": "query", "schema": {"type": "integer", "minimum": 0, "maximum": 2**53}},
        {"name": "order", "in": "query", "schema": {"enum": ["asc", "desc"]}},
    ]
    looks = {"/users/{user_id}": user}
    for prefix, ending in (("/v1/wallets", ""), ("/wallets", "_short")):
        path = f"{prefix}/{{id}}"
        looks[path] = _look(f"get_wallet{ending}", "wallets", "A wallet", path, "WalletTexts")
        path = f"{path}/transactions"
        title = "What went in and out, the newest first"
        looks[path] = _look(f"get_wallet_transactions{ending}", "wallets", title, path, "WalletTransactions", paging)
    for prefix, ending in (("/admin/v2/apps", ""), ("/apps", "_short")):
        path = f"{prefix}/balance"
        looks[path] = _look(f"get_app_balance{ending}", "apps", "The balance of the token's app", path, "AppBalance")
    looks["/jobs/{job}"] = _look("get_job", "jobs", "The outcome under a key", "/jobs/{job}", "OutcomeDocument")
    for path, what in (("/healthz", "Whether the process lives"), ("/readyz", "Whether it can do its work")):
        looks[path] = _open(path, what, {"200": "It can", **({"503": "It cannot"} if path == "/readyz" else {})})
    looks["/metrics"] = {
        "operationId": "metrics", "tags": ["operation"], "summary": "For Prometheus", "security": [],
        "responses": {"200": {"description": "Samples", "content": {"text/plain": {"schema": {"type": "string"}}}}},
    }  # fmt: skip
    return looks


def _look(name: str, tag: str, summary: str, path: str, schema: str, query: list[Schema] | None = None) -> Schema:
    return {
        "operationId": name,
        "tags": [tag],
        "summary": summary,
        "parameters": [*_path_parameters(None, path), *(query or [])],
        "responses": {"200": _answer("Found", ref(schema)), **_errors(path, _OF_READS)},
    }


def _open(path: str, summary: str, statuses: dict[str, str]) -> Schema:
    return {
        "operationId": path.removeprefix("/"), "tags": ["operation"], "summary": summary, "security": [],
        "responses": {status: _answer(text, ref("Health")) for status, text in statuses.items()},
    }  # fmt: skip


def _reachable(node: Any, components: Schema) -> Schema:
    """The schemas that are named in `node`, and those that these name."""
    found: Schema = {}
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            name = str(each.get("$ref", "")).removeprefix("#/components/schemas/")
            if name in components and name not in found:
                found[name] = components[name]
                waiting.append(components[name])
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
    return dict(sorted(found.items()))
