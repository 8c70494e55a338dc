"""JSON in which no number becomes a float on its way in, and every decimal keeps its digits on its way out."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final

import msgspec
from kombu.serialization import register
from kombu.utils.json import object_hook

EXACT_JSON: Final = "exact-json"
"""The name of the result serializer; on the wire it is application/json, for clients in any language."""

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number", enc_hook=str)


def loads(body: bytes | str) -> Any:
    """A message body. Fractions and exponents are decimals; NaN and Infinity too, so that validation can refuse them.

    Values that kombu's own JSON marks with a type (a decimal or a time that Python sent) are understood as well.
    Raises ValueError when it is not JSON.
    """
    return json.loads(body, parse_float=Decimal, parse_constant=Decimal, object_hook=object_hook)


def dumps(value: Any) -> str:
    """The JSON of plain values, decimals, times and ids."""
    return _ENCODER.encode(value).decode()


def register_exact_json() -> None:
    """Makes the serializer known to kombu in this process. Decoding application/json stays kombu's own."""
    register(EXACT_JSON, dumps, None, content_type="application/json", content_encoding="utf-8")
