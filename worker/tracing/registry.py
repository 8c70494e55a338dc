"""The tracer that a deployment has. OTEL_* say where spans are sent to, and more: the library reads them."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

from worker.settings.settings import Settings

if TYPE_CHECKING:
    from worker.tracing.tracer import Tracer

_END_S: Final = 2.0  # that the last spans have


def tracer_of(settings: Settings, service: str) -> Tracer | None:
    """None where BALANCE_TRACES is off: nothing is imported then. `service`: what it is called, unless
    OTEL_SERVICE_NAME says it."""
    if not settings.traces:
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from worker.tracing.tracer import Tracer

    exporter = OTLPSpanExporter()
    tracer = Tracer(service, BatchSpanProcessor(exporter))
    ending = Event()
    # Started now: at the end of an interpreter no thread can be.
    Thread(target=_give_up, args=(ending, exporter.shutdown), name="traces-end", daemon=True).start()
    atexit.register(_end, tracer, ending)
    return tracer


def _end(tracer: Tracer, ending: Event) -> None:
    """Sends what is left; a collector that is away keeps no process from its end."""
    ending.set()
    tracer.close()


def _give_up(ending: Event, interrupt: Callable[[], None]) -> None:
    ending.wait()
    Event().wait(_END_S)
    interrupt()
