"""What settings say of themselves: what is allowed, what is wrong with a value, and which name was meant."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Final

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from balance_client.brokers.addresses import Unusable
from worker.encoding.urls import mask_url

PREFIX: Final = "BALANCE_"
_WITHOUT_VALUE: Final = frozenset(
    {"brokers", "flower_basic_auth", "producers"}
)  # whatever was given, it may hold a secret


def allowed(field: FieldInfo) -> str:
    """What may be put into a setting, in words."""
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "allowed" in extra:
        return str(extra["allowed"])
    choices = getattr(field.annotation, "__args__", ())
    if choices:
        return f"one of {', '.join(map(str, choices))}"
    limits = {key: getattr(rule, key) for rule in field.metadata for key in ("gt", "ge", "le") if hasattr(rule, key)}
    kind = "a whole number" if field.annotation is int else "a number"
    low = f"above {limits['gt']:g}" if "gt" in limits else f"from {limits['ge']}"
    return f"{kind} {low} to {limits['le']}"


def sentences(error: ValidationError, fields: Mapping[str, FieldInfo]) -> list[str]:
    """One for each wrong value, or for each rule that is broken by several together."""
    sentences = []
    for problem in error.errors(include_url=False):
        if not problem["loc"]:
            sentences += [f"{rule}." for rule in str(problem["ctx"]["error"]).splitlines()]
            continue
        name = str(problem["loc"][0])
        if name == "producers":
            sentences.append(f"{PREFIX}PRODUCERS {problem['ctx']['error']}.")
            continue
        value = _masked(name, str(problem["input"]))
        wrong = problem.get("ctx", {}).get("error")
        reason = str(wrong) if isinstance(wrong, Unusable) or name == "shard" else ""
        reason = reason or f"allowed is {allowed(fields[name])}"
        sentences.append(f"{PREFIX}{name.upper()} is {value!r}; {reason}.")
    return sentences


def _masked(name: str, value: str) -> str:
    """A wrong value without secrets; what should have been a URL may hold a password in any shape."""
    if name in _WITHOUT_VALUE:
        return "***"
    unclear = re.search(r"[\s\"']", value) or not all("://" in part for part in value.split(";"))
    if name.endswith("_url") and unclear:
        return re.sub(r".*@", "***@", value, flags=re.DOTALL)
    return mask_url(value)


def misspelt(environment: Mapping[str, str], names: Iterable[str]) -> list[str]:
    """A misspelt name would silently leave the default in force. Names that resemble none are others' business."""
    known = [f"{PREFIX}{name.upper()}" for name in names]
    sentences = []
    for variable in sorted(environment):
        name = variable.upper()
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.9)
            sentences += [f"{variable} is no setting; did you mean {candidate}?" for candidate in near]
    return sentences
