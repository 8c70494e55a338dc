"""The page of the door's documentation: plain HTML made from the OpenAPI document, with nothing from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from typing import Any, Final

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
details { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; }
summary { cursor: pointer; padding: .5rem .75rem; overflow-wrap: anywhere; }
details > div { padding: 0 .75rem .75rem; overflow-x: auto; }
code, pre { font: 14px/1.45 ui-monospace, monospace; }
pre { background: var(--soft); padding: .6rem; overflow-x: auto; }
b { display: inline-block; min-width: 3.5rem; } table { border-collapse: collapse; width: 100%; }
td, th { border-top: 1px solid var(--line); padding: .3rem .5rem; text-align: left; vertical-align: top; }
"""


def html(document: dict[str, Any]) -> str:
    """The whole page. Everything of the document is escaped."""
    info = document["info"]
    by_tag: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            by_tag.setdefault(operation["tags"][0], []).append(_operation(document, method, path, operation))
    sections = "".join(f"<h2>{escape(tag)}</h2>{''.join(found)}" for tag, found in by_tag.items())
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<h1>{escape(info['title'])}: {escape(info['summary'])}</h1><p>{escape(info['description'])}</p>"
        "<p>Send a key as <code>X-API-Key: …</code> or <code>Authorization: Bearer …</code>. "
        'The same for programs: <a href="/openapi.json">openapi.json</a>.</p>'
        f"{sections}</body></html>"
    )


def _operation(document: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [f"<p>{escape(operation.get('description', ''))}</p>"]
    parameters = [_resolved(document, each) for each in operation.get("parameters", ())]
    if parameters:
        parts.append(_table(("parameter", "in", "what"), [
            (each["name"], each["in"], each.get("description", "")) for each in parameters
        ]))  # fmt: skip
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema = _resolved(document, content.get("schema", {}))
    if fields := schema.get("properties"):
        required = set(schema.get("required", ()))
        parts.append(_table(("field", "", "what"), [
            (name, "required" if name in required else "", _resolved(document, field).get("description", ""))
            for name, field in fields.items()
        ]))  # fmt: skip
    parts += [
        f"<pre>{escape(json.dumps(example['value'], indent=2, ensure_ascii=False))}</pre>"
        for example in list(content.get("examples", {}).values())[:1]
    ]
    answers = [(status, "", answer["description"]) for status, answer in operation["responses"].items()]
    parts.append(_table(("status", "", "meaning"), answers))
    head = f"<b>{escape(method.upper())}</b> <code>{escape(path)}</code> — {escape(operation['summary'])}"
    return f"<details><summary>{head}</summary><div>{''.join(parts)}</div></details>"


def _table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _resolved(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    if (where := node.get("$ref")) is None:
        return node
    found: Any = document
    for part in where.removeprefix("#/").split("/"):
        found = found[part]
    resolved: dict[str, Any] = found
    return resolved
