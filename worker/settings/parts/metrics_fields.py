"""Settings of metrics and health: where each process answers /metrics, /healthz and /readyz."""

from pydantic import Field
from pydantic_settings import BaseSettings


class MetricsFields(BaseSettings):
    """Each is the environment variable BALANCE_<NAME>."""

    metrics_port: int = Field(
        0,
        ge=0,
        le=65_535,
        description="The port on which a worker or beat answers `/metrics`, `/healthz` and `/readyz`, one for each "
        "process of a machine (docs/metrics.md); 0: none, and nothing is counted. The HTTP door answers on its own.",
    )
    metrics_address: str = Field(
        "127.0.0.1",
        pattern=r"^[A-Za-z0-9.:-]+$",
        json_schema_extra={"allowed": "an address"},
        description="Where it listens. Nobody is asked who they are: let only Prometheus and probes reach it.",
    )
