"""One key, one meaning. The meaning is the validated, normalised command, not the bytes that carried it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

_JSON: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal texts."""
    return _JSON.encode(value)


def fingerprint(name: str, meaning: str) -> bytes:
    """32 bytes that stand for the meaning for ever, after the body itself has been pruned."""
    return hashlib.sha256(f"{name}\n{meaning}".encode()).digest()


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The fields in which two bodies differ: {field: {"first": …, "now": …}}; None stands for a field left out.

    A field that is left out in one and null in the other differs, too: where null clears, they mean different things.
    """
    return {
        field: {"first": first.get(field), "now": second.get(field)}
        for field in sorted({*first, *second})
        if (field in first, first.get(field)) != (field in second, second.get(field))
    }
