"""Settings of events: the stream on a broker, and how often what waits is relayed."""

from pydantic import Field
from pydantic.config import JsonDict
from pydantic_settings import BaseSettings

from worker.settings import types
from worker.settings.types import BrokerUrl

_EVENTS: JsonDict = {"unit": "events"}


class EventFields(BaseSettings):
    """Each is the environment variable BALANCE_<NAME>."""

    event_stream: bool = Field(
        True,
        json_schema_extra={"allowed": "true or false"},
        description="Whether events are published to a broker (examples/events): a stream of Redis or Valkey, or a "
        "topic exchange of RabbitMQ. Only the I/O workers publish.",
    )
    event_stream_url: BrokerUrl | None = Field(
        None,
        json_schema_extra=types.BROKERS,
        description="The broker that events are published to. Unset: that of BALANCE_BROKER_URL.",
    )
    event_stream_name: str = Field(
        "balance.events",
        pattern=types.NAME,
        json_schema_extra=types.NAMES,
        description="The stream, or the exchange.",
    )
    event_stream_age_s: int = Field(
        86_400,
        ge=1,
        le=366 * 86_400,
        description="Redis: how long an event stays in the stream at least, unless there are too many.",
    )
    event_stream_length: int = Field(
        1_000_000,
        ge=1_000,
        le=10**9,
        json_schema_extra=_EVENTS,
        description="Redis: how many events the stream holds at most, nearly: the oldest go first. They are kept in "
        "memory, some 1 KB each.",
    )
    event_retry_cap_s: float = Field(
        30.0, ge=0.1, le=3_600, description="The longest wait between two attempts while the stream takes nothing."
    )
