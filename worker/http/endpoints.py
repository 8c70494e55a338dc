"""An endpoint as the server calls it, and the routes that lead to it: no layer between that a request pays for.

Starlette's middleware would catch what is caught here already, in the words of the source APIs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from balance_client.tracing import traced
from models.contracts.replies.outcome import encode
from models.contracts.wire.travel import TRACEPARENT, sampled
from worker.http.faces import Face, Refused, face_of
from worker.http.metrics import DoorMetrics, RouteMetrics

if TYPE_CHECKING:
    from worker.tracing.tracer import Tracer

_LOG: Final = structlog.get_logger(__name__)
SECURITY_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_JSON: Final = "application/json"
_FAULT: Final = 500
Answer = Callable[[Request], Awaitable[Response]]


class Endpoint:
    """`answer` with its refusals in the face of the path: counted, and never a traceback to a stranger."""

    def __init__(self, answer: Answer, route: str, metrics: DoorMetrics, tracer: Tracer | None = None) -> None:
        self._answer, self._face, self._route, self._tracer = answer, face_of(route), route, tracer
        self._metrics: RouteMetrics = metrics.of(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = perf_counter()
        with self._metrics.in_flight():
            request = Request(scope, receive)
            parent = sampled(request.headers.get(TRACEPARENT))
            response = await (self._answered(request) if parent is None else self._traced(request, parent))
            await response(scope, receive, send)
        self._metrics.answered(response.status_code, perf_counter() - began)

    async def _answered(self, request: Request) -> Response:
        return await answered(self._answer, request, self._face)

    async def _traced(self, request: Request, parent: str) -> Response:
        """The job that it publishes is part of the trace; the door has a span in it where it tells of any."""
        if self._tracer is None:
            with traced(parent):
                return await self._answered(request)
        span = self._tracer.begin(f"{request.method} {self._route}", "server", parent, {"http.route": self._route})
        status = 0
        try:
            with traced(span.traceparent):
                response = await self._answered(request)
            status = response.status_code
        finally:
            span.end({"http.response.status_code": status}, error=None if 0 < status < _FAULT else str(status))
        return response


class Methods:
    """The endpoints of one path, by method; another method is refused in the face of the path."""

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        self._endpoints = dict(endpoints)
        if "GET" in self._endpoints:
            self._endpoints["HEAD"] = self._endpoints["GET"]  # the server leaves its body out
        allowed = {"Allow": ", ".join(sorted(self._endpoints))}
        self._other = refusing(405, "method_not_allowed", "Another method is asked for here", allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "%" in scope["path"]:
            scope["path_params"] = {name: unquote(value) for name, value in scope["path_params"].items()}
        await self._endpoints.get(scope["method"], self._other)(scope, receive, send)


def refusing(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Answers whatever is asked with this refusal."""

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        await as_json(status, face_of(scope["path"])(status, code, message, {}), headers)(scope, receive, send)

    return refuse


async def answered(answer: Answer, request: Request, face: Face) -> Response:
    """Its response, or that of what went wrong."""
    try:
        return await answer(request)
    except Refused as refused:
        body = face(refused.status, refused.code, refused.message, refused.details)
        return as_json(refused.status, body, refused.headers)
    except Exception as error:  # noqa: BLE001 - logged with all there is; a stranger learns that it was ours
        _LOG.error(
            "http.failed", error=f"{type(error).__name__}: {error}", exc_info=error,
            next="the request can be sent again with its key; report this",
        )  # fmt: skip
        return as_json(500, face(500, "internal_error", "Something went wrong; send it again with the same key", {}))


def as_json(status: int, document: Any, headers: Mapping[str, str] | None = None) -> Response:
    given = SECURITY_HEADERS if not headers else {**SECURITY_HEADERS, **headers}
    return Response(encode(document), status, given, _JSON)
