"""JSON in which no number becomes a float on its way in, and every decimal keeps its digits on its way out."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec
from kombu.serialization import register
from kombu.utils import json as kombu_json

from worker.encoding.literals import exact

EXACT_JSON: Final = "exact-json"
"""The name of the result serializer; on the wire it is application/json, for clients in any language."""

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number", enc_hook=str)
_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)
_ENVELOPES: Final = msgspec.json.Decoder()
_TYPE_MARK: Final = b'"__type__"'  # how kombu's own JSON marks a value that JSON has no type for


def loads(body: bytes | str) -> Any:
    """A message body. Fractions and exponents are decimals; so are NaN, Infinity and integers of thousands of digits:
    it is JSON, and validation says what is wrong with it.

    Values that kombu's own JSON marks with a type (a decimal or a time that Python sent) are understood as well.
    Raises ValueError when it is not JSON.
    """
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    if _TYPE_MARK not in raw:
        try:
            return _DECODER.decode(raw)
        except (msgspec.DecodeError, InvalidOperation):
            pass  # a number without measure, NaN, a lone surrogate, UTF-16: json reads all of them
    return exact(body, _understood)


def _understood(value: dict[str, Any]) -> Any:
    """What the mark stands for, or the marked value as it is when it stands for nothing."""
    try:
        return kombu_json.object_hook(value)
    except (ValueError, TypeError, AttributeError, ArithmeticError):
        return value


def loads_envelope(raw: bytes) -> Any:
    """What kombu's Redis transport writes around a body, as it reads it, several times as fast."""
    if _TYPE_MARK not in raw:
        try:
            return _ENVELOPES.decode(raw)
        except msgspec.DecodeError:
            pass  # as above
    return kombu_json.loads(raw)


def dumps(value: Any) -> str:
    """The JSON of plain values, decimals, times and ids."""
    return _ENCODER.encode(value).decode()


def register_exact_json() -> None:
    """Makes the serializer known to kombu in this process. Decoding application/json stays kombu's own."""
    register(EXACT_JSON, dumps, None, content_type="application/json", content_encoding="utf-8")
