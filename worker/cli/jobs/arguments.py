"""A job's arguments as they are typed: key=value, read as what the job's contract takes there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import typer

from models.contracts.wire.envelope import Contract
from worker.encoding.literals import exact

Schema = Mapping[str, Any]

_FORMATS: Final = {"date-time": "time", "date": "date", "uuid": "id"}
_TYPES: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "JSON object",
    "array": "JSON list",
}


def arguments(contract: type[Contract] | None, pairs: Sequence[str], json_object: str) -> dict[str, Any]:
    """The keyword arguments of `--arg key=value …` and `--json-args '{…}'` together."""
    try:
        given = exact(json_object)
    except json.JSONDecodeError as error:
        raise typer.BadParameter(f"this is not JSON: {error}", param_hint="--json-args") from error
    if not isinstance(given, dict):
        raise typer.BadParameter('write a JSON object: \'{"wallet_id": "w1"}\'', param_hint="--json-args")
    fields: Schema = {} if contract is None else contract.model_json_schema()["properties"]
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not key or not equals:
            raise typer.BadParameter(f"{pair!r} is not key=value", param_hint="--arg")
        if key in given:
            raise typer.BadParameter(f"{key} is given twice", param_hint="--arg")
        given[key] = typed(text, fields.get(key))
    return given


def typed(text: str, schema: Schema | None) -> Any:
    """What a text means in a field: JSON where it is JSON, otherwise the text itself.

    What the contract takes as text alone is not looked into.
    """
    types = set() if schema is None else {item.get("type") for item in alternatives(schema)}
    if "string" in types and types <= {"string", "integer", "null"} and (text != "null" or "null" not in types):
        return text
    try:
        value = exact(text)
    except json.JSONDecodeError:
        return text
    return text if isinstance(value, str) else value


def alternatives(schema: Schema) -> Iterator[Schema]:
    """The schemas of which a value has to meet one."""
    for item in schema.get("anyOf", [schema]):
        if "$ref" in item:
            yield {"type": "object"}
        else:
            yield item


def in_words(schema: Schema) -> str:
    """What may be given, for people."""
    words = dict.fromkeys(_words(item) for item in alternatives(schema) if item.get("type") != "null")
    if "number" in words:
        words.pop("text", None)  # how a number is written does not matter
    return ", or ".join(words)


def _words(schema: Schema) -> str:
    if "enum" in schema:
        return f"one of {', '.join(schema['enum'])}"
    return _FORMATS.get(schema.get("format", ""), _TYPES.get(schema.get("type", ""), "JSON"))
