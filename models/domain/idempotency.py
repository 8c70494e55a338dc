"""One key, one meaning. The meaning is the validated, normalised command, not the bytes that carried it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from models.domain.text import json_encoder

_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DATES: Final = ("expiry_date_utc",)
"""Fields in which a date used to be written as its first moment."""
_encode: Final = json_encoder(sort_keys=True)


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal texts."""
    return _encode(value)


def fingerprint(name: str, meaning: str) -> bytes:
    """32 bytes that stand for the meaning for ever, after the body itself has been pruned."""
    return hashlib.sha256(f"{name}\n{meaning}".encode()).digest()


def noted(meaning: str, metadata: Any) -> str:
    """What is asked together with the publisher's note: what is kept of a job until it is pruned."""
    return canonical({**json.loads(meaning), "metadata": metadata}) if metadata else meaning


def former_fingerprints(name: str, meaning: str, metadata: Any) -> Iterator[bytes]:
    """Of the same job, as earlier versions wrote its meaning: a key that they answered is replayed, not in conflict.

    They counted the note in, and wrote a date as its first moment. Since that moment can be asked for too, a job that
    changes one for the other under its key is taken for the one that they answered.
    """
    body = json.loads(meaning)
    forms = [body, {**body, **{field: f"{body[field]}T00:00:00Z" for field in _DATES if _is_date(body.get(field))}}]
    notes: list[dict[str, Any]] = [{}] if metadata == {} else [{}, {"metadata": metadata}]
    yield from (fingerprint(name, canonical({**form, **note})) for form in forms for note in notes)


def _is_date(value: Any) -> bool:
    return isinstance(value, str) and _DATE.fullmatch(value) is not None


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The fields in which two bodies differ: {field: {"first": …, "now": …}}; None stands for a field left out.

    A field that is left out in one and null in the other differs, too: where null clears, they mean different things.
    """
    return {
        field: {"first": first.get(field), "now": second.get(field)}
        for field in sorted({*first, *second})
        if (field in first, first.get(field)) != (field in second, second.get(field))
    }
