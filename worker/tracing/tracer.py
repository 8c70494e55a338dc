"""Spans of traces that others began: nothing here begins one, so what nobody traces costs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Final, Literal

from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace import Span as ApiSpan

from models.contracts.wire.travel import sampled

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Attributes = Mapping[str, str | int | bool]
_NAME: Final = "balance-worker"
_NOTHING: Final = Context()  # not the current one: a span has the parent that its message names


class Span:
    """One that has begun. `traceparent`: for what follows from it; None: it is not recorded."""

    __slots__ = ("_span", "traceparent")

    def __init__(self, span: ApiSpan) -> None:
        self._span = span
        context = span.get_span_context()
        self.traceparent: Final = sampled(
            f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
        )

    @property
    def context(self) -> SpanContext:
        return self._span.get_span_context()

    def end(self, attributes: Attributes | None = None, error: str | None = None) -> None:
        """`error`: why nothing came of it."""
        self._span.set_attributes({**(attributes or {})})
        if error is not None:
            self._span.set_status(Status(StatusCode.ERROR, error))
        self._span.end()


class Tracer:
    """Of one process. What it records is sent by `processor`, in a thread of its own; the rest when it is closed."""

    def __init__(self, service: str, processor: SpanProcessor) -> None:
        resource = Resource.create().merge(Resource({SERVICE_NAME: service})).merge(OTELResourceDetector().detect())
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(processor)
        self._provider = provider
        self._tracer = provider.get_tracer(_NAME, version(_NAME))

    def begin(
        self,
        name: str,
        kind: Kind,
        parent: str | None,
        attributes: Attributes | None = None,
        links: Sequence[Span] = (),
    ) -> Span:
        """A span below `parent`, a traceparent that is sampled; None: it has none, and links alone."""
        return Span(
            self._tracer.start_span(
                name,
                _NOTHING if parent is None else _remote(parent),
                SpanKind[kind.upper()],
                attributes,
                links=[Link(each.context) for each in links],
            )
        )

    def close(self) -> None:
        """Sends what is left."""
        self._provider.shutdown()


def _remote(traceparent: str) -> Context:
    flags = TraceFlags(int(traceparent[-2:], 16))
    context = SpanContext(int(traceparent[3:35], 16), int(traceparent[36:52], 16), is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(context), _NOTHING)
