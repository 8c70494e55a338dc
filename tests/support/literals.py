"""What anybody might write in any place of a message, as JSON: valid, at the edge, and hostile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from tests.support.servers.places import PLACES, Place

_INT64: Final = 2**63
_DAY: Final = "2027-01-31"

# What is written into a message, as JSON.
INTEGERS: Final = [
    "0", "-0", "1", "-1", "2", "18", "19", "100", "101", "2147483647", "2147483648",
    *(str(number) for number in (_INT64 - 1, _INT64, 1 - _INT64, -_INT64, 10**30, 10**30 + 1, -(10**30))),
    "100.0", "1e2", "1E+2", "-1.0", "0.0", "-0.0", f"{_INT64 - 1}.0", f"{_INT64}.0", f"1.{'0' * 5000}",
    "0e999999999999",
]  # fmt: skip
FRACTIONS: Final = ["1.5", "-0.5", "1e-2", f"0.{'12' * 15}", f"0.{'12' * 15}1", "1e-30", "1e-31", "5e-324", "1e31"]
HOSTILE: Final = [
    "9" * 5000, f"-{'9' * 5000}", "1e999999999999", "-1e999999999999", "1e-999999999999", "1e9999999999999999999",
    "-1e9999999999999999999", "1e-9999999999999999999", f"0.{'1' * 5000}",
]  # fmt: skip
TEXTS: Final = [
    "", "a", "abc", "USD", "USDX", "usd\n", "a/b", "a\n", "\n", " ", "a\x00", "\x00", "\ud800", "a\udfff", "😀", "é",
    "\t", "\x7f", "\xa0", "\xad", "\u200b", "\u2028", "\u0378", "\ue000", "\ufeff", "balance-worker", "default",
    "null", "true", "https://a@b.example/",
    *("a" * length for length in (3, 40, 41, 64, 65, 255, 256, 500, 501)), "😀" * 255, "😀" * 256,
    "😀" * 500, "😀" * 501,
]  # fmt: skip
NUMBER_TEXTS: Final = [
    "0", "5", "12.5", "+12.5", "-12.5", "-.5", "5.", ".", "e5", "1e3", "1E-9", "1e999", "1e30", "1e31", "1e-30",
    "1e-31", "0e5", "0e999", "-0", "+0", "-0.00e7", "0.000", "--1", "1_000", "1,5", "١٢", "１２", "12.5\n", "12.5\n\n",
    " 1", "1 ", "0x1F", "NaN", "Infinity", "1e1000", "9" * 30, "9" * 31, "9" * 64, "0" * 63 + "1", "0" * 64 + "1",
    str(_INT64), str(_INT64 - 1), "1e999999999999", "9" * 5000, f"0.{'1' * 31}",
]  # fmt: skip
TIME_TEXTS: Final = [
    f"{_DAY}T12:00:00Z", f"{_DAY}t12:00:00z", f"{_DAY} 12:00:00+00:00", f"{_DAY}T12:00:00-00:00", f"{_DAY}T12:00:00",
    f"{_DAY}T15:00:00.123456789+03:00", f"{_DAY}T12:00:00.Z", f"{_DAY}T12:00Z", f"{_DAY}T12:00:00+03",
    f"{_DAY}T24:00:00Z", f"{_DAY}T12:00:60Z", f"{_DAY}T12:60:00Z", f"{_DAY}T12:00:00+24:00",
    f"{_DAY}T12:00:00+23:59", f"{_DAY}T12:00:00Z\n", "20270131T120000Z", "٢٠٢٧-01-31T12:00:00Z",
    "2027-02-30T12:00:00Z", "2027-13-01T12:00:00Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-01:00", _DAY, "2027-02-30",
    "2028-02-29", "2027-1-31", "31.01.2027", "0000-01-01", "0001-01-01", "9999-12-31", f"{_DAY}\n",
]  # fmt: skip
ID_TEXTS: Final = [
    "0193a5c2-7b1e-7c40-8a52-3f0d6f1f9b11", "0193A5C2-7B1E-7C40-8A52-3F0D6F1F9B11",
    "0193a5c27b1e7c408a523f0d6f1f9b11", "{0193a5c2-7b1e-7c40-8a52-3f0d6f1f9b11}",
    "urn:uuid:0193a5c2-7b1e-7c40-8a52-3f0d6f1f9b11", "0193a5c2-7b1e", "0193a5c2-7b1e-7c40-8a52-3f0d6f1f9b11\n",
    "0x93a5c27b1e7c408a523f0d6f1f9b11", "g193a5c2-7b1e-7c40-8a52-3f0d6f1f9b11",
]  # fmt: skip
OTHERS: Final[list[Any]] = [
    None, True, False, [], {}, [1], [None], ["ALL"], ["ALL", "FIXED", "ALL"], ["all"], [[]], {"a": "b"}, {"": "b"},
    {"a\x00": "b"}, {"a": "b\x00"}, {"a": 1}, {"a": None}, {"k" * 40: "v" * 500}, {"k" * 41: "v"}, {"k": "v" * 501},
    {str(number): "" for number in range(50)}, {str(number): "" for number in range(51)}, {"id": 1}, {"id": "1"},
    {"id": 1, "name": "x"}, {"id": 1, "name": "x", "more": 1}, {"id": 1, "status": "trial"}, {"status": "trial"},
    {"id": 1.0, "status": "trial"}, {"allowed_price_types": []}, {"allowed_price_types": ["USAGE"]},
    {"allowed_price_types": None}, {"__type__": "decimal", "__value__": "7"},
    {"__type__": "decimal", "__value__": "1e9999999999999999999"}, {"__type__": "unheard of", "__value__": 1},
    {"__type__": "datetime", "__value__": f"{_DAY}T12:00:00+00:00"},
]  # fmt: skip


def enumerated() -> list[str]:
    """Every word that any field takes."""
    words = {word for place in PLACES for choice in place.choices for word in choice.get("enum", ())}
    return sorted(words | {word.swapcase() for word in words})


TEXT_LITERALS: Final = [json.dumps(text) for text in (*TEXTS, *NUMBER_TEXTS, *TIME_TEXTS, *ID_TEXTS, *enumerated())]
NUMBER_LITERALS: Final = [*INTEGERS, *FRACTIONS, *HOSTILE]
OTHER_LITERALS: Final = [json.dumps(value) for value in OTHERS]
_FEW: Final = 7  # of a kind that the place does not take at all


def literals(place: Place) -> Iterator[str]:
    yield from TEXT_LITERALS if place.takes("string") else TEXT_LITERALS[:_FEW]
    yield from NUMBER_LITERALS if place.takes("integer", "number") else [*NUMBER_LITERALS[:_FEW], *HOSTILE]
    yield from OTHER_LITERALS
