"""Where the stream is."""

from __future__ import annotations

from balance_client.brokers.tls import Tls
from models.domain.value import value


@value(frozen=True, slots=True)
class StreamAddress:
    """A stream or an exchange, and the broker that has it."""

    url: str
    setting: str  # that has the URL
    name: str
    timeout_s: float  # how long the broker may be silent
    tls: Tls
