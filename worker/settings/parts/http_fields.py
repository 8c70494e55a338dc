"""Settings of the HTTP door: where it listens, whom it lets in, and what it puts up with."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings


def _keys(value: SecretStr) -> SecretStr:
    from worker.publishers.http_keys import KeyRing  # knows all jobs, which most commands need not load

    KeyRing(value.get_secret_value())
    return value


class HttpFields(BaseSettings):
    """Each is the environment variable BALANCE_<NAME>."""

    http_address: str = Field(
        "127.0.0.1",
        pattern=r"^[A-Za-z0-9.:-]+$",
        json_schema_extra={"allowed": "an address"},
        description="Where the HTTP door listens. Put TLS before it where it is reached over a network.",
    )
    http_port: int = Field(8_080, ge=1, le=65_535, description="The port that the HTTP door listens on.")
    http_keys: Annotated[SecretStr, AfterValidator(_keys)] | None = Field(
        None,
        json_schema_extra={"allowed": "JSON, or a file"},
        description="The API keys of the HTTP door, by their hashes: JSON, or the path of a file, which may change "
        "while the door runs. `balance-worker http-key` makes one.",
    )
    http_wait_s: float = Field(
        10.0, ge=0, le=300, description="How long a request waits for its outcome; then it is answered 202."
    )
    http_max_body_bytes: int = Field(
        65_536,
        ge=1_024,
        le=16_777_216,
        json_schema_extra={"unit": "bytes"},
        description="The largest body of a request.",
    )
    http_rate_per_s: float = Field(
        1_000.0,
        ge=0.1,
        le=1_000_000,
        json_schema_extra={"unit": "requests"},
        description="How many requests a second a key may make that names no rate of its own.",
    )
    http_connections: int = Field(
        1_000,
        ge=1,
        le=100_000,
        json_schema_extra={"unit": "connections"},
        description="How many connections and requests the HTTP door has at once; more are answered 503.",
    )
    http_request_timeout_s: float = Field(
        10.0, ge=0.1, le=300, description="How long a request may take to come in, headers and body."
    )
