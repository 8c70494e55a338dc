"""A stream of events of which each that is part of a trace has a span, from the relay to the broker's word."""

from __future__ import annotations

from collections.abc import Sequence

from models.contracts.replies.events import EventMessage
from tasks.events.stream import EventStream
from worker.tracing.tracer import Tracer


class TracedStream:
    """Implements tasks.events.stream.EventStream, around another."""

    def __init__(self, stream: EventStream, tracer: Tracer) -> None:
        self._stream, self._tracer = stream, tracer

    def publish(self, events: Sequence[EventMessage]) -> None:
        spans = [
            self._tracer.begin(
                f"publish {event.type}", "producer", event.traceparent, {"messaging.message.id": event.id}
            )
            for event in events
            if event.traceparent is not None
        ]
        error: str | None = None
        try:
            self._stream.publish(events)
        except BaseException as fault:
            error = repr(fault)
            raise
        finally:
            for span in spans:
                span.end(error=error)

    def close(self) -> None:
        self._stream.close()
