"""Messages as anybody might write them: from nearly right to nonsense."""

from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from hypothesis import strategies as st
from kombu.message import Message

from models.contracts.catalogue import CATALOGUE
from models.contracts.spec.examples import EXAMPLES

_TEXTS = st.text(max_size=20) | st.sampled_from(["", "\x00", "\udc80", "😀", "a\nb", "9" * 5000, "wallets.top_up"])
_SCALARS: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS | st.sampled_from([10**400, -(2**63), 1e308])
)
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=12,
)
# What AMQP's tables can carry besides.
_HEADER_VALUES = JSON_VALUES | st.sampled_from([b"\xff", Decimal("1.5"), datetime(2027, 1, 1, tzinfo=UTC)])
_EMBED: Final = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
_HEADERS: Final = (
    "lang", "task", "id", "root_id", "parent_id", "group", "retries", "timelimit", "eta", "expires", "argsrepr",
    "kwargsrepr", "origin", "ignore_result", "shadow", "stamps", "stamped_headers", "compression", "balance_version",
    "balance_signature", "balance_signed_at", "reply_to", "delivery_info", "properties", "args", "kwargs", "utc",
)  # fmt: skip
_TYPES = st.sampled_from(["application/json", "application/x-python-serialize", "text/plain", "", None, "a/\x00"])
_MUTATIONS: Final = (
    "headers", "headers", "arguments", "arguments", "envelope", "embed", "bytes", "properties", "type", "none",
)  # fmt: skip


@st.composite
def messages(draw: st.DrawFn) -> dict[str, Any]:
    """What kombu's Message is made of. Half are valid messages with one or two things wrong, half are anything."""
    name = draw(st.sampled_from([*CATALOGUE]))
    kwargs: Any = dict(draw(st.sampled_from(EXAMPLES[name])))
    headers: Any = {"lang": "py", "task": name, "id": draw(st.uuids()).hex, "retries": 0, "ignore_result": True}
    parts: dict[str, Any] = {
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "properties": {"correlation_id": headers["id"], "reply_to": ""},
        "delivery_info": {"exchange": "", "routing_key": "balance"},
    }
    content: Any = [[], kwargs, dict(_EMBED)]
    body: Any = None
    for mutation in draw(st.lists(st.sampled_from(_MUTATIONS), min_size=1, max_size=3)):
        match mutation:
            case "headers":
                headers[draw(st.sampled_from(_HEADERS) | _TEXTS)] = draw(_HEADER_VALUES)
            case "arguments":
                field = draw(st.sampled_from([*kwargs, "metadata", "occurred_at", "producer"]) | _TEXTS)
                kwargs[field] = draw(JSON_VALUES)
            case "embed":
                link = st.fixed_dictionaries(
                    {}, optional=dict.fromkeys(("task", "args", "kwargs", "options"), JSON_VALUES)
                )
                field = draw(st.sampled_from([*_EMBED]) | _TEXTS)
                content = [[], kwargs, {**_EMBED, field: draw(JSON_VALUES | st.lists(link, max_size=2))}]
            case "envelope":
                content = draw(JSON_VALUES | st.lists(JSON_VALUES, min_size=3, max_size=3))
            case "bytes":
                body = draw(st.binary(max_size=200) | damaged(json.dumps(content).encode()) | st.text(max_size=50))
            case "properties":
                names = st.sampled_from(["reply_to", "correlation_id", "priority"])
                parts["properties"] = draw(st.dictionaries(names, _HEADER_VALUES))
                places = st.sampled_from(["exchange", "routing_key", "redelivered"])
                parts["delivery_info"] = draw(st.dictionaries(places, JSON_VALUES))
            case "type":
                parts["content_type"] = draw(_TYPES)
    if body is None:
        body = json.dumps(content).encode()
        if draw(st.integers(0, 9)) == 0:
            body, headers["compression"] = zlib.compress(body), "gzip"
    return {**parts, "body": body, "headers": headers if draw(st.integers(0, 30)) else draw(_HEADER_VALUES)}


@st.composite
def damaged(draw: st.DrawFn, body: bytes) -> bytes:
    """Some bytes of a valid body are replaced, inserted or gone."""
    at = draw(st.integers(0, len(body)))
    return body[:at] + draw(st.binary(max_size=6)) + body[at + draw(st.integers(0, 6)) :]


def message_of(parts: dict[str, Any], channel: Any) -> Any:
    """As kombu hands it over; headers that are no object are put in afterwards, since AMQP has none such."""
    headers = parts["headers"]
    usual = {**parts, "headers": headers if isinstance(headers, dict) else {}}
    message = Message(**usual, delivery_tag="1", channel=channel)
    if not isinstance(headers, dict):
        message.headers = headers
    return message
