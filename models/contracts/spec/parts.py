"""What schemas are made of, and whose bodies there are."""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]
PROFILES: Final = ("User", "Wallet", "App", "TopUp", "Alerts", "Endpoint")


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def object_of(properties: Schema, required: tuple[str, ...] | None = None, **more: Any) -> Schema:
    """All properties are required, unless it is said which."""
    names = list(properties) if required is None else list(required)
    return {"type": "object", "properties": properties, "required": names, **more}


def nullable(schema: Schema) -> Schema:
    choices = schema["anyOf"] if list(schema) == ["anyOf"] else [schema]
    return {"anyOf": [*choices, {"type": "null"}]}
