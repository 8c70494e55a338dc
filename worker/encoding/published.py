"""When a message says that it was published: in the header of our clients, in AMQP's timestamp, or as it was signed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from models.contracts.wire.signature import SIGNED_AT
from models.contracts.wire.travel import PUBLISHED_AT

_TIME_MAX: Final = 1e11  # in some thousand years


def published_at(headers: Any, properties: Any) -> float | None:
    """In Unix time; the last two are whole seconds. None: it does not say."""
    for told, name in ((headers, PUBLISHED_AT), (properties, "timestamp"), (headers, SIGNED_AT)):
        value = told.get(name) if isinstance(told, dict) else None
        if isinstance(value, datetime):  # of AMQP: in UTC, and it does not say so
            value = (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < _TIME_MAX:
            return float(value)
    return None
