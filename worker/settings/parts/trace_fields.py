"""Settings of traces."""

from pydantic import Field
from pydantic_settings import BaseSettings


class TraceFields(BaseSettings):
    """Each is the environment variable BALANCE_<NAME>."""

    traces: bool = Field(
        False,
        json_schema_extra={"allowed": "true or false"},
        description="Whether jobs that are part of a trace have spans, sent by OpenTelemetry (docs/tracing.md): needs "
        "`pip install 'balance-worker[otel]'`; OTEL_EXPORTER_OTLP_ENDPOINT says where to.",
    )
