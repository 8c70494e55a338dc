"""What a message says of its way: no signature covers it, and what a job comes to is not decided by it."""

from __future__ import annotations

import re
from typing import Any, Final

PUBLISHED_AT: Final = "balance_published_at"
"""The header that says when the client published it: seconds since 1970, with a fraction."""
TRACEPARENT: Final = "traceparent"
"""The header of W3C Trace Context, and the name under which events carry it on."""

FORWARDED: Final = "balance_forwarded"
"""The header that says how often workers of other shards have sent it on."""
_FORM: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
_SAMPLED: Final = 1


def sampled(traceparent: Any) -> str | None:
    """A traceparent (version 00) of which somebody records the trace; None for any other, and for what is none."""
    if not isinstance(traceparent, str) or not _FORM.fullmatch(traceparent):
        return None
    return traceparent if int(traceparent[-2:], 16) & _SAMPLED else None


def trace_id(traceparent: str) -> str:
    """Of one that `sampled` let pass."""
    return traceparent[3:35]
