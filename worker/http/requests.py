"""What a request says: its JSON, its key, and how long it wants to wait. Bounded in size, depth and time."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request

from worker.http.faces import Refused

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
_JSON_TYPE: Final = re.compile(r"application/(?:[\w.+-]+\+)?json(?:\s*;.*)?", re.IGNORECASE)
_ASYNC: Final = re.compile(r"(?:^|[,;])\s*respond-async\s*(?:[,;=]|$)")
_WAIT: Final = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?([0-9]{1,6})\"?")
_EMPTY: Final[tuple[bytes, ...]] = (b"", b"null")


@dataclass(frozen=True, slots=True)
class Preference:
    """What RFC 7240's Prefer asks for. `wait_s` None: as the settings say."""

    respond_async: bool = False
    wait_s: float | None = None

    @classmethod
    def of(cls, request: Request) -> Preference:
        given = ", ".join(request.headers.getlist("prefer")).lower()
        if not given:
            return _NO_PREFERENCE
        wait = _WAIT.search(given)
        return cls(_ASYNC.search(given) is not None, None if wait is None else float(wait[1]))


_NO_PREFERENCE: Final = Preference()


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


class _TwiceNamed(ValueError):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Which of two values was meant nobody knows."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _TwiceNamed("a name stands twice in an object")
    return found


_DECODER: Final = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_number, object_pairs_hook=_object)


async def read_body(request: Request, limit: int) -> bytes:
    """The body; the server sees to it that it comes in time. Raises Refused when it is larger than `limit` bytes."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            parts.append(part)
    except ClientDisconnect:
        raise Refused(400, "client_disconnected", "The body did not come to its end") from None
    return b"".join(parts)


_CLOSE: Final = {"Connection": "close"}


def _too_large(limit: int) -> Refused:
    return Refused(413, "body_too_large", f"The body may have {limit} bytes at the most", headers=_CLOSE)


def json_object(request: Request, body: bytes) -> dict[str, Any]:
    """The fields of the body; none when there is none. Fractions are decimals. Raises Refused."""
    if body.strip() in _EMPTY:
        return {}
    if not _JSON_TYPE.fullmatch(request.headers.get("content-type", "")):
        raise Refused(415, "unsupported_media_type", "Send Content-Type: application/json")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(415, "unsupported_media_type", "Send the body as it is, without a Content-Encoding")
    try:
        fields = _DECODER.decode(body.decode("utf-8"))
    except (ValueError, ArithmeticError, RecursionError) as error:
        # The text of a decoding error repeats nothing of the body but the place.
        told = isinstance(error, (json.JSONDecodeError, _TwiceNamed))
        said = str(error) if told else "no JSON text in UTF-8, or a number of thousands of digits"
        raise invalid("json_invalid", [], f"The body is not JSON: {said}", None) from None
    if not isinstance(fields, dict):
        raise invalid("dict_type", [], "The body should be a JSON object", None)
    return fields


def invalid(kind: str, where: list[str], message: str, given: Any) -> Refused:
    """A request that breaks the contract before it is a job: in the shape of the worker's own refusal."""
    errors = [{"type": kind, "loc": ["body", *where], "msg": message, "input": given}]
    return Refused(422, "invalid_request", message, {"errors": errors})


def header_key(request: Request) -> str | None:
    """The idempotency key of the header. Raises Refused when it is not text, or there are several."""
    given = [value for name, value in request.headers.raw if name == b"idempotency-key"]
    if not given:
        return None
    if len(given) > 1:
        raise invalid("key_ambiguous", ["idempotency_key"], f"Send one {IDEMPOTENCY_KEY}", None)
    try:
        return given[0].decode("utf-8")
    except UnicodeDecodeError:
        raise invalid("string_unicode", ["idempotency_key"], f"{IDEMPOTENCY_KEY} should be UTF-8", None) from None


def as_header(text: str) -> str:
    """Text for a header, as UTF-8: Starlette writes Latin-1."""
    return text.encode().decode("latin-1")
