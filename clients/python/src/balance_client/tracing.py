"""Traces that go on behind the queue: jobs carry the publisher's `traceparent` (W3C Trace Context).

Who uses OpenTelemetry has nothing to do: jobs carry the span in which they are made. `with traced(header):` hands on
one that came by another way. A job is the same job under its key whatever trace it is published in.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from models.contracts.wire.travel import sampled

_GIVEN: Final[ContextVar[str | None]] = ContextVar("balance_traceparent", default=None)
_API: Final = "opentelemetry.trace"


@contextmanager
def traced(traceparent: str | None) -> Iterator[None]:
    """Jobs that are made within it carry this `traceparent`; what is none, or not sampled, is not sent."""
    before = _GIVEN.set(sampled(traceparent))
    try:
        yield
    finally:
        _GIVEN.reset(before)


def current_traceparent() -> str | None:
    """The one that was given, else that of the current span of OpenTelemetry, if the program uses it."""
    if (given := _GIVEN.get()) is not None:
        return given
    api: Any = sys.modules.get(_API)  # who does not use it has not imported it, and has no span
    if api is None:
        return None
    context = api.get_current_span().get_span_context()
    if not (context.is_valid and context.trace_flags.sampled):
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
