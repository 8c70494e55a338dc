"""An examination in steps: one that fails is a finding like the others, and they are made all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from kombu.exceptions import OperationalError
from redis.exceptions import NoPermissionError

from worker.doctor.finding import Finding, failure, warning
from worker.encoding.urls import mask_url

Step = tuple[str, Callable[[], Finding | Iterable[Finding]]]
"""The name of the check, under which it is told that it could not be made, and the check."""


def examined(*steps: Step) -> Iterator[Finding]:
    """All findings, each as it is made."""
    for check, look in steps:
        try:
            found = look()
            yield from [found] if isinstance(found, Finding) else found
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
            yield _unexamined(check, error)


def _unexamined(check: str, error: BaseException) -> Finding:
    if isinstance(error, OperationalError) and error.__cause__ is not None:  # kombu wraps what the broker said
        error = error.__cause__
    found = f"could not be examined: {told(error)}"
    if isinstance(error, NoPermissionError):
        return warning(
            check, found, "What is not seen is not vouched for; workers need less than this command.",
            "give this user the rights that docs/security.md lists for the doctor, or run it as a user that has them",
        )  # fmt: skip
    return failure(
        check, found, "What is not seen is not vouched for; the other findings stand.",
        "see that what was asked works as it should; if it does, report this line",
    )  # fmt: skip


def told(error: BaseException) -> str:
    """The kind of an error and its first line, without passwords."""
    return mask_url(f"{type(error).__name__}: {error}".split("\n", 1)[0])
