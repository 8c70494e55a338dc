"""Signatures: the published vectors, made again by a program that knows nothing but the page; and what breaks them."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from pathlib import Path
from typing import Any

import pytest

from models.domain.signature import sign, signed_by

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
_FOUND = re.search(r"<!-- tested: vectors -->\n```json\n(.*?)```", PAGE, re.DOTALL)
assert _FOUND, "docs/security.md has no test vectors"
VECTORS: list[dict[str, Any]] = json.loads(_FOUND[1])
OLD, NEW = "o" * 32, "n" * 32


def plainly(vector: dict[str, Any]) -> str:
    """The signature as somebody would write it who has read docs/security.md, in any language."""
    lines = ["balance", "1", vector["task"], str(vector["signed_at"]) if "signed_at" in vector else ""]
    text = "\n".join(lines) + "\n" + vector["body"]
    return hmac.new(vector["secret"].encode("utf-8"), text.encode("utf-8"), hashlib.sha256).hexdigest()


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["about"]))
def test_vectors_are_what_the_page_and_the_code_say(vector: dict[str, Any]) -> None:
    body = vector["body"].encode()
    assert plainly(vector) == vector["signature"]
    assert sign(vector["secret"], vector["task"], body, vector.get("signed_at")) == vector["signature"]
    json.loads(vector["body"])


def test_the_vectors_cover_what_languages_write_differently() -> None:
    bodies = "".join(vector["body"] for vector in VECTORS)
    assert not bodies.isascii()
    assert r"\u" in bodies
    assert "12.50" in bodies
    assert {"signed_at" in vector for vector in VECTORS} == {True, False}


def test_either_secret_is_good_while_one_takes_the_place_of_the_other() -> None:
    for secret in (OLD, NEW):
        signature = sign(secret, "wallets.top_up", b"[]")
        assert signed_by((OLD, NEW), signature, "wallets.top_up", b"[]")
    assert not signed_by((NEW,), sign(OLD, "wallets.top_up", b"[]"), "wallets.top_up", b"[]")


@pytest.mark.parametrize(
    ("task", "body", "signed_at"),
    [
        ("wallets.top_up", b"[[], {}, {} ]", 7),
        ("wallets.debit", b"[[], {}, {}]", 7),
        ("wallets.top_up", b"[[], {}, {}]", 8),
        ("wallets.top_up", b"[[], {}, {}]", None),
    ],
    ids=["body", "job", "time", "no time"],
)
def test_whatever_is_altered_breaks_the_signature(task: str, body: bytes, signed_at: int | None) -> None:
    signature = sign(OLD, "wallets.top_up", b"[[], {}, {}]", 7)
    assert signed_by((OLD,), signature, "wallets.top_up", b"[[], {}, {}]", 7)
    assert not signed_by((OLD,), signature, task, body, signed_at)


@pytest.mark.parametrize("signature", ["", "00", "é" * 64, "\udc80", sign(OLD, "t", b"").upper()])
def test_what_is_no_signature_is_none(signature: str) -> None:
    assert not signed_by((OLD,), signature, "t", b"")
