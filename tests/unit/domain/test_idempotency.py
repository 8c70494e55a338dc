"""One key, one meaning: equal meanings give equal texts, and what differs is named."""

from typing import Any

import pytest

from models.domain.idempotency import canonical, differences, fingerprint


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [True, None]}, '{"a":[true,null],"b":1}'),
        ({"ключ": "тест"}, '{"ключ":"тест"}'),
        ({"a": {"d": 1, "c": 2}}, '{"a":{"c":2,"d":1}}'),
        ({}, "{}"),
    ],
)
def test_canonical(value: Any, text: str) -> None:
    assert canonical(value) == text


def test_fingerprint_is_pinned() -> None:
    # Stored with every job for ever: another way to compute it would turn replays into conflicts.
    expected = "2a0de7c9bdbf79e3cddca3e07caeb93ea06d815c86f04c0cfa1d21ea3c2590f3"
    assert fingerprint("wallets.debit", '{"credits":"1"}').hex() == expected


def test_fingerprint_separates_name_and_meaning() -> None:
    prints = {fingerprint(*case) for case in [("a", "b"), ("b", "a"), ("ab", ""), ("", "ab"), ("a", "b\n")]}
    assert len(prints) == 5
    assert {len(item) for item in prints} == {32}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1}, {"a": 2}, {"a": {"first": 1, "now": 2}}),
        ({"a": 1}, {}, {"a": {"first": 1, "now": None}}),
        ({}, {"b": 2, "a": 1}, {"a": {"first": None, "now": 1}, "b": {"first": None, "now": 2}}),
        ({}, {"a": None}, {"a": {"first": None, "now": None}}),
        ({"a": {"x": 1}}, {"a": {"x": 2}}, {"a": {"first": {"x": 1}, "now": {"x": 2}}}),
    ],
    ids=["equal", "changed", "left out", "added", "null is not left out", "nested"],
)
def test_differences(first: dict[str, Any], second: dict[str, Any], expected: dict[str, Any]) -> None:
    found = differences(first, second)
    assert found == expected
    assert list(found) == sorted(found)
