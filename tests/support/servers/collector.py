"""A collector of OpenTelemetry: what was sent to it, by OTLP over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.servers.receiver import Receiver


@dataclass(frozen=True)
class Told:
    """A span. Ids are hexadecimal, as in a traceparent."""

    name: str
    service: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    links: tuple[str, ...]  # spans
    failed: bool


class Collector(Receiver):
    """`settings`: with which a process sends its spans here, at once."""

    @property
    def settings(self) -> dict[str, str]:
        return {
            "BALANCE_TRACES": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }

    @property
    def spans(self) -> list[Told]:
        return [span for asked in [*self.asked] if asked.path == "/v1/traces" for span in _spans(asked.body)]

    def of(self, trace: str) -> dict[str, Told]:
        """The spans of this trace by their names."""
        return {span.name: span for span in self.spans if span.trace == trace}


def _spans(body: bytes) -> Iterator[Told]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = _plain(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Told(
                    span.name, service, span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(),
                    _plain(span.attributes), tuple(link.span_id.hex() for link in span.links), span.status.code == 2,
                )  # fmt: skip


def _plain(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
