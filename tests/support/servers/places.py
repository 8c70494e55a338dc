"""Every place in a job's arguments where a value can stand, as the schemas of asyncapi.yaml have it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from jsonschema import Draft7Validator

from models.contracts.catalogue import CATALOGUE
from models.contracts.spec.examples import EXAMPLES
from models.contracts.spec.parts import Schema
from models.contracts.spec.schemas import schemas

SCHEMAS: Final = schemas()
_CANDIDATES: Final[tuple[Any, ...]] = (
    "UTC", "2027-01-31T12:00:00Z", "0193a5c2-7b1e-7c40-8a52-3f0d6f1f9b11", "wallet:w", "https://pay.example/1", 1, 0,
    -1, True, [], {}, ["wallet"], ["wallet.updated"],
)  # fmt: skip
Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Place:
    """Where in the arguments of which job. `choices`: the schemas of which a value has to meet one."""

    job: str
    path: Path
    choices: tuple[Schema, ...]

    def __str__(self) -> str:
        return f"{self.job}: {'.'.join(map(str, self.path))}"

    def takes(self, *types: str) -> bool:
        return any(choice.get("type") in types for choice in self.choices)

    def bodies(self, value: Any) -> Iterator[dict[str, Any]]:
        """Each example of the job, with the value in this place."""
        for example in EXAMPLES[self.job]:
            body: Any = {**copy.deepcopy(example), "idempotency_key": "k"}
            inner, schema = body, contract_schema(self.job)
            for step, following in zip(self.path, self.path[1:], strict=False):
                schema = _into(schema, step)
                if isinstance(inner, dict) and inner.get(step) is None:
                    inner[step] = [] if following == 0 else sample(schema)
                inner = inner[step]
            if self.path[-1] == 0:
                inner[:] = [value]
            else:
                inner[self.path[-1]] = value
            yield body


def contract_schema(job: str) -> Schema:
    return SCHEMAS[CATALOGUE[job].__name__]


def choices(schema: Schema) -> tuple[Schema, ...]:
    """The alternatives, references resolved."""
    if "$ref" in schema:
        return choices(SCHEMAS[schema["$ref"].rpartition("/")[2]])
    if "allOf" in schema:  # a reference with company
        return choices(schema["allOf"][0])
    return tuple(each for choice in schema["anyOf"] for each in choices(choice)) if "anyOf" in schema else (schema,)


def sample(schema: Schema, *, full: bool = False) -> Any:
    """A value that the schema takes, with no more than it must have, or with every field there is."""
    first = choices(schema)[0]
    if "properties" in first:
        names = first["properties"] if full else first.get("required", ())
        return {name: sample(first["properties"][name], full=full) for name in names}
    taken = Draft7Validator(first).is_valid
    return next(value for value in (*first.get("enum", ()), *_CANDIDATES) if taken(value))


def _into(schema: Schema, step: str | int) -> Schema:
    for choice in choices(schema):
        if step == 0 and "items" in choice:
            return dict(choice["items"])
        if step in choice.get("properties", {}):
            return dict(choice["properties"][step])
        if isinstance(choice.get("additionalProperties"), dict):
            return dict(choice["additionalProperties"])
    raise LookupError(step)


def _places(job: str, schema: Schema, path: Path) -> Iterator[Place]:
    found = choices(schema)
    if path:
        yield Place(job, path, found)
    for choice in found:
        if "items" in choice:
            yield from _places(job, choice["items"], (*path, 0))
        for name, inner in choice.get("properties", {}).items():
            yield from _places(job, inner, (*path, name))
        if isinstance(choice.get("additionalProperties"), dict):
            yield from _places(job, choice["additionalProperties"], (*path, "key"))


PLACES: Final = [place for job in CATALOGUE for place in _places(job, contract_schema(job), ())]
