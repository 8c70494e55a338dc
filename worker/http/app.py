"""The door's application: routes, in the order of how often they are asked for."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from models.domain.accounts import AccountKey, Kind
from models.domain.deciding.commands import TelegramUser
from worker.http.document import openapi, page
from worker.http.endpoints import SECURITY_HEADERS, Answer, Endpoint, Methods, as_json, refusing
from worker.http.faces import Refused
from worker.http.handlers import Handlers
from worker.http.health import Readiness
from worker.http.operations import OPERATIONS
from worker.http.reads import PAGE_MAX, Reads
from worker.metrics.process_metrics import CONTENT_TYPE
from worker.publishers.http_keys import HttpKey

if TYPE_CHECKING:
    from worker.tracing.tracer import Tracer

_ID_MAX: Final = 2**63
# What is decoded once the parameter that it is in is known (endpoints.Methods): a slash, and each percent sign.
_KEPT: Final = re.compile("%(?:(2[Ff]|25)|(?![0-9A-Fa-f]{2}))")
_JOB: Final = "/jobs/{job:path}"  # a key may have slashes
Asked = tuple[str, str, Answer]
"""A method, a path and what answers there."""


def make_app(
    handlers: Handlers,
    reads: Reads,
    readiness: Readiness,
    around: Callable[[Any], Any] | None = None,
    tracer: Tracer | None = None,
) -> Router:
    """`around`: a context for as long as it serves."""
    found: dict[str, dict[str, Endpoint]] = {}
    for method, path, answer in (*_operations(handlers), *_reads(handlers, reads), *_open(handlers, readiness)):
        found.setdefault(path, {})[method] = Endpoint(answer, path, handlers.metrics, tracer)
    return Paths(
        [Route(path, Methods(endpoints)) for path, endpoints in found.items()],
        redirect_slashes=False,
        default=refusing(404, "not_found", "There is nothing at this path"),
        lifespan=around or _nothing,
    )


class Paths(Router):
    """Routes by the path as it was sent: an id may have a slash in it, which is sent as %2F and separates nothing."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if b"%" in scope.get("raw_path", b""):
            scope["path"] = unquote(_KEPT.sub(lambda each: f"%25{each[1] or 25}", scope["raw_path"].decode("ascii")))
        await super().__call__(scope, receive, send)


@asynccontextmanager
async def _nothing(_app: Any) -> AsyncIterator[None]:
    yield


def _operations(handlers: Handlers) -> Iterator[Asked]:
    for operation in OPERATIONS:
        for path in operation.paths:
            yield operation.method, path, handlers.job(operation)
    yield "POST", _JOB, handlers.any_job


def _reads(handlers: Handlers, reads: Reads) -> Iterator[Asked]:
    looks: dict[tuple[str, ...], Callable[[Request, HttpKey], Any]] = {
        ("/users/{user_id}",): lambda request, _key: reads.user(_user(request)),
        ("/v1/wallets/{id}", "/wallets/{id}"): lambda request, _key: reads.wallet(request.path_params["id"]),
        ("/v1/wallets/{id}/transactions", "/wallets/{id}/transactions"): lambda request, _key: reads.transactions(
            request.path_params["id"], **_page(request.query_params)
        ),
        ("/admin/v2/apps/balance", "/apps/balance"): lambda _request, key: reads.app_balance(_app_of(key)),
        (_JOB,): lambda request, key: reads.outcome(key.producer, request.path_params["job"]),
    }
    for paths, look in looks.items():
        for path in paths:
            yield "GET", path, handlers.read(look)


def _open(handlers: Handlers, readiness: Readiness) -> Iterator[Asked]:
    """What needs no key."""
    document = openapi.document()
    html = page.html(document)

    async def alive(_request: Request) -> Response:
        return as_json(200, {"status": "alive"})

    async def ready(_request: Request) -> Response:
        troubles = await readiness.troubles()
        return as_json(503 if troubles else 200, {"status": "not ready" if troubles else "ready", "troubles": troubles})

    async def metrics(_request: Request) -> Response:
        return Response(handlers.metrics.text(), headers=SECURITY_HEADERS, media_type=CONTENT_TYPE)

    async def described(_request: Request) -> Response:
        return as_json(200, document)

    async def shown(_request: Request) -> Response:
        return Response(html, headers=SECURITY_HEADERS, media_type="text/html; charset=utf-8")

    answers = {"/healthz": alive, "/readyz": ready, "/metrics": metrics, "/openapi.json": described, "/docs": shown}
    for path, answer in {**answers, "/": shown}.items():
        yield "GET", path, answer


def _user(request: Request) -> AccountKey | TelegramUser:
    given = request.path_params["user_id"]
    if not (given.isascii() and given.isdigit() and 0 < int(given[:25]) < _ID_MAX):
        raise _unprocessable("path", "user_id", "Input should be a valid integer", given)
    by = request.query_params.get("by")
    if by not in (None, "telegram", "id"):
        raise _unprocessable("query", "by", "Input should be 'telegram' or 'id'", by)
    return TelegramUser(int(given)) if by == "telegram" else AccountKey(Kind.USER, str(int(given)))


def _app_of(key: HttpKey) -> AccountKey:
    if key.app is None:
        raise Refused(403, "not_allowed", f'{key.id} names no app: its entry has no "app"')
    return key.app


def _page(query: Mapping[str, str]) -> dict[str, Any]:
    """limit, offset and order; what else an SDK may filter by is refused, not ignored."""
    if strange := sorted(set(query) - {"limit", "offset", "order"}):
        raise Refused(400, "invalid_request", f"There is no filter {strange[0]}", {"field": strange[0]})
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise Refused(400, "invalid_request", "order should be asc or desc", {"field": "order"})
    limit, offset = (_bounded(query, *each) for each in (("limit", 50, 1, PAGE_MAX), ("offset", 0, 0, _ID_MAX)))
    return {"limit": limit, "offset": offset, "oldest_first": order == "asc"}


def _bounded(query: Mapping[str, str], name: str, usual: int, least: int, most: int) -> int:
    given = query.get(name, str(usual))
    if not (given.isascii() and given.isdigit() and least <= int(given[:25]) <= most):
        raise Refused(400, "invalid_request", f"{name} should be a number from {least} to {most}", {"field": name})
    return int(given)


def _unprocessable(place: str, field: str, message: str, given: str | None) -> Refused:
    errors = [{"type": "value_error", "loc": [place, field], "msg": message, "input": (given or "")[:255]}]
    return Refused(422, "invalid_request", message, {"errors": errors})
