"""Signatures: the published vectors, made again by a program that knows nothing but the page; and what breaks them."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.contracts.spec.asyncapi import document
from models.contracts.wire.signature import SIGNATURE, Genuine, Signed, sign, verified

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
_FOUND = re.search(r"<!-- tested: vectors -->\n```json\n(.*?)```", PAGE, re.DOTALL)
assert _FOUND, "docs/security.md has no test vectors"
VECTORS: list[dict[str, Any]] = json.loads(_FOUND[1])
OLD, NEW = "o" * 32, "n" * 32


def plainly(vector: dict[str, Any]) -> str:
    """The signature as somebody would write it who has read docs/security.md, in any language."""
    moment = str(vector["signed_at"]) if "signed_at" in vector else ""
    lines = ["balance2", "1", vector["task"], moment, *(vector.get(name, "") for name in ("id", "expires", "reply_to"))]
    text = "\n".join(lines) + "\n" + vector["body"]
    return "2:" + hmac.new(vector["secret"].encode("utf-8"), text.encode("utf-8"), hashlib.sha256).hexdigest()


def signed_in(vector: dict[str, Any]) -> Signed:
    task_id, expires, reply_to = (vector.get(name, "") for name in ("id", "expires", "reply_to"))
    return Signed(vector["task"], vector["body"].encode(), vector.get("signed_at"), task_id, expires, reply_to)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["about"]))
def test_vectors_are_what_the_page_and_the_code_say(vector: dict[str, Any]) -> None:
    assert plainly(vector) == vector["signature"]
    assert sign(vector["secret"], signed_in(vector)) == vector["signature"]
    json.loads(vector["body"])


def test_the_schema_knows_both_schemes() -> None:
    found = re.search(rf'"{SIGNATURE}": {{"type": "string", "pattern": "(.+?)"', json.dumps(document()))
    assert found
    assert all(re.search(found[1], signature) for signature in (VECTORS[0]["signature"], first(OLD, MESSAGE)))
    assert not re.search(found[1], "3:" + "0" * 64)


def test_the_vectors_cover_what_languages_write_differently() -> None:
    bodies = "".join(vector["body"] for vector in VECTORS)
    assert not bodies.isascii()
    assert r"\u" in bodies
    assert "12.50" in bodies
    for name in ("signed_at", "expires", "reply_to"):
        assert {name in vector for vector in VECTORS} == {True, False}


MESSAGE = Signed("wallets.top_up", b"[[], {}, {}]", 7, "id", "2026-01-01T00:00:00+00:00", "replies")


def test_either_secret_is_good_while_one_takes_the_place_of_the_other() -> None:
    for secret in (OLD, NEW):
        assert verified((OLD, NEW), sign(secret, MESSAGE), MESSAGE) == Genuine(headers=True)
    assert verified((NEW,), sign(OLD, MESSAGE), MESSAGE) is None


@pytest.mark.parametrize(
    "altered",
    [
        {"body": b"[[], {}, {} ]"},
        {"task": "wallets.debit"},
        {"signed_at": 8},
        {"signed_at": None},
        {"task_id": "another"},
        {"task_id": ""},
        {"expires": ""},
        {"expires": "2027-01-01T00:00:00+00:00"},
        {"reply_to": "mine"},
        {"reply_to": ""},
    ],
    ids=str,
)
def test_whatever_is_altered_breaks_the_signature(altered: dict[str, Any]) -> None:
    assert verified((OLD,), sign(OLD, MESSAGE), replace(MESSAGE, **altered)) is None


def first(secret: str, message: Signed) -> str:
    """A signature of the first scheme, which knew no headers."""
    head = f"balance\n1\n{message.task}\n{message.signed_at}\n".encode()
    return hmac.new(secret.encode(), head + message.body, hashlib.sha256).hexdigest()


def test_one_of_the_first_scheme_is_good_and_says_nothing_of_the_headers() -> None:
    signature = first(OLD, MESSAGE)
    assert verified((OLD,), signature, replace(MESSAGE, task_id="another")) == Genuine(headers=False)
    assert verified((OLD,), signature, replace(MESSAGE, body=b"")) is None
    assert verified((OLD,), f"2:{signature}", MESSAGE) is None
    assert verified((OLD,), sign(OLD, MESSAGE).removeprefix("2:"), MESSAGE) is None


@pytest.mark.parametrize("part", ["task", "task_id", "expires", "reply_to"])
def test_no_two_messages_read_alike(part: str) -> None:
    """A line end in one part could move the rest of it into the next."""
    line_end: dict[str, Any] = {part: "a\nb"}
    told = replace(MESSAGE, **line_end)
    with pytest.raises(ValueError, match="no line ends"):
        sign(OLD, told)
    forged = "2:" + hmac.new(OLD.encode(), told.text(), hashlib.sha256).hexdigest()
    assert verified((OLD,), forged, told) is None


@pytest.mark.parametrize("signature", ["", "00", "é" * 64, "\udc80", "2:", "2:00", sign(OLD, MESSAGE).upper()])
def test_what_is_no_signature_is_none(signature: str) -> None:
    assert verified((OLD,), signature, MESSAGE) is None
