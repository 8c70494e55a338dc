"""The faces of the door: each of the source APIs has its own way to say that something is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

Body = dict[str, Any]
Face = Callable[[int, str, str, Mapping[str, Any]], Body]
"""From (HTTP status, stable code, sentence, details) to the body of an error."""


def users(status: int, code: str, message: str, details: Mapping[str, Any]) -> Body:
    """FastAPI's: a sentence, or the list of what is wrong with the request."""
    return {"detail": details.get("errors", message)}


def wallets(status: int, code: str, message: str, details: Mapping[str, Any]) -> Body:
    return {"success": False, "error": {"message": message, "internal_error": code, "details": dict(details)}}


def apps(status: int, code: str, message: str, details: Mapping[str, Any]) -> Body:
    error: Body = {"code": code, "message": message}
    if details:
        error["details"] = dict(details)
    return {"status": status, "success": False, "error": error}


def jobs(status: int, code: str, message: str, details: Mapping[str, Any]) -> Body:
    """Ours: what the source APIs do not have."""
    return {"code": code, "detail": message, **details}


_BY_PREFIX: Final = {"/users": users, "/v1/wallets": wallets, "/wallets": wallets, "/v1/holds": wallets,
                     "/admin/v2/apps": apps, "/apps": apps}  # fmt: skip


def face_of(path: str) -> Face:
    """Whose paths these are; what belongs to nobody is answered in our own way."""
    return next((face for prefix, face in _BY_PREFIX.items() if path.startswith(prefix)), jobs)


class Refused(Exception):
    """A request that is answered without a job. `status`: HTTP; the body is the face's."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.details, self.headers = details or {}, headers or {}
