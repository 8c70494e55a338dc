"""What the schemas of asyncapi.yaml accept the worker accepts, and the other way round: every field of every contract.

What no schema can say is UNSAID, in the document's own words; a difference of any other kind is a failure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import MIN_EMIN, Context, Decimal
from functools import cache
from typing import Any, Final
from zoneinfo import available_timezones

import pytest
import regress
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from models.contracts.catalogue import CATALOGUE
from models.contracts.message import Malformed, parse
from models.contracts.spec.asyncapi import document
from models.contracts.spec.parts import Schema
from models.contracts.wire.schemas import UNSAID, printable_but
from models.domain.outcome import Code, Refusal
from models.domain.webhooks.urls import UnusableUrl, webhook_url
from tests.support.literals import ID_TEXTS, NUMBER_TEXTS, TEXTS, TIME_TEXTS, literals
from tests.support.search import DRAWN
from tests.support.servers.places import PLACES, SCHEMAS, Place, contract_schema, sample
from worker.encoding.serialization import loads

_INT64: Final = 2**63
timezones = cache(available_timezones)


def messages(place: Place, literal: str) -> Iterator[str]:
    """The arguments as they are sent, with the literal in the place."""
    for body in place.bodies("@@"):
        yield json.dumps(body).replace('"@@"', literal)


# --- the two judges -------------------------------------------------------------------------------------------------


def worker_accepts(job: str, text: str) -> bool:
    try:
        command = parse(job, loads(text)).command
    except Malformed as error:
        if error.reason != "unusable_key":
            raise
        return False
    return not (isinstance(command, Refusal) and command.code is Code.INVALID_REQUEST)


@cache
def validator(job: str) -> Draft7Validator:
    return Draft7Validator({**contract_schema(job), "components": {"schemas": SCHEMAS}})


def schema_accepts(job: str, text: str) -> bool:
    return bool(validator(job).is_valid(instance(text)))


def instance(text: str) -> Any:
    """As a validator has it that reckons exactly. What is beyond every bound need not be told from what is further."""

    def number(digits: str) -> int | Decimal:
        mantissa, _, exponent = digits.lower().partition("e")
        exact = Decimal(f"{mantissa}e{max(min(int(exponent or 0), 10**6), -(10**6))}")
        if exact == exact.to_integral_value():
            return int(exact) if exact.adjusted() < 40 or not exact else 10**40 * (1 if exact > 0 else -1)
        return exact

    return json.loads(text, parse_int=number, parse_float=number)


def unsaid(place: Place, value: Any) -> set[str]:
    """Which of the rules that no schema says the value may break in this place."""
    if isinstance(value, dict):
        return {"marked"} if value.keys() == {"__type__", "__value__"} else set()
    broken = set()
    if isinstance(value, str):
        broken |= set() if _is_unicode(value) else {"surrogates"}
        broken |= {"printable"} if not value.isprintable() and _says(place, "pattern", "\\u0000-") else set()
        broken |= {"timezone"} if place.path[-1] == "timezone" and value not in timezones() else set()
        broken |= {"url"} if place.path[-1] == "url" and not _leads_somewhere(value) else set()
        broken |= _of_time(value) if _says(place, "format", "date") else set()
    if place.takes("number"):
        broken |= _of_number_text(value) if isinstance(value, str) else set()
        broken |= _of_number(value) if isinstance(value, Decimal) else set()
    return broken


def _says(place: Place, word: str, part: str) -> bool:
    return any(part in choice.get(word, "") for choice in place.choices)


def _leads_somewhere(url: str) -> bool:
    try:
        webhook_url(url)
    except UnusableUrl:
        return False
    return True


def _of_time(text: str) -> set[str]:
    try:
        datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return {"calendar"}
    return set()


def _of_number_text(text: str) -> set[str]:
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,3})?", text, re.IGNORECASE | re.ASCII):
        return set()
    number = Decimal(text)
    return _of_number(number) | ({"size"} if abs(number) >= _INT64 else set())


def _of_number(number: Decimal) -> set[str]:
    _, digits, exponent = number.normalize(Context(prec=6000, Emin=MIN_EMIN)).as_tuple()
    return {"digits"} if len(digits) > 30 or (isinstance(exponent, int) and exponent < -30) else set()


def differences(place: Place, literal: str) -> Iterator[tuple[str, set[str]]]:
    """(What is accepted by one alone, the rules that may be the reason)."""
    for text in messages(place, literal):
        by_schema, by_worker = schema_accepts(place.job, text), worker_accepts(place.job, text)
        if by_schema != by_worker:
            found = f"{place} = {literal[:80]}: {'worker' if by_worker else 'schema'} alone"
            reasons = unsaid(place, instance(literal))
            yield found, reasons & {"marked"} if by_worker else reasons


# --- tests ----------------------------------------------------------------------------------------------------------


@cache
def tried(job: str) -> list[tuple[str, set[str]]]:
    """All differences in the places of a job."""
    return [
        found
        for place in PLACES
        if place.job == job
        for literal in literals(place)
        for found in differences(place, literal)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("job", CATALOGUE)
def test_schema_and_worker_accept_the_same_in_every_place(job: str) -> None:
    assert [found for found, reasons in tried(job) if not reasons] == []


@pytest.mark.slow
def test_what_no_schema_says_the_document_says_and_nothing_else_is_listed() -> None:
    met = set[str]()
    for job in ("webhooks.update", "auto_topup.set_policy", "grants.void", *CATALOGUE):
        if met == set(UNSAID):
            break  # the others are tried above, and it takes a while
        met |= {reason for _, reasons in tried(job) for reason in reasons}
    assert met == set(UNSAID)
    assert all(f"* {rule}." in document()["info"]["description"] for rule in UNSAID.values())


@st.composite
def drawn(draw: st.DrawFn) -> tuple[Place, str]:
    """A place, and what may stand there or nearly."""
    place = draw(st.sampled_from(PLACES))
    near = [st.sampled_from(TEXTS + NUMBER_TEXTS + TIME_TEXTS).map(lambda text: text + draw(st.text(max_size=2)))]
    for choice in place.choices:
        if "pattern" in choice and place.takes("string"):
            near.append(st.from_regex(choice["pattern"].replace("(?!\\n)$", r"\Z")))
        near.append(st.sampled_from(choice.get("enum", [None])))
    plain = st.none() | st.booleans() | st.integers() | st.integers(-(2**70), 2**70) | st.text(max_size=600)
    numbers = st.decimals(allow_nan=False, allow_infinity=False, places=draw(st.integers(0, 32))) | st.floats(
        allow_nan=False, allow_infinity=False
    )
    return place, draw(st.one_of(*near, plain).map(json.dumps) | numbers.map(str))


@settings(max_examples=DRAWN.examples(500))
@given(drawn())
def test_schema_and_worker_accept_the_same_of_whatever_is_drawn(case: tuple[Place, str]) -> None:
    place, literal = case
    assert [found for found, reasons in differences(place, literal) if not reasons] == []


OBJECTS: Final = [
    pytest.param(place, id=str(place)) for place in PLACES if any("properties" in choice for choice in place.choices)
]


def varied(schema: Schema) -> Iterator[Any]:
    """An object with all fields, with one that nobody knows, and without each of its own."""
    full = sample(schema, full=True)
    yield full
    yield {**full, "unheard_of": 1}
    yield from ({name: value for name, value in full.items() if name != left_out} for left_out in full)


@pytest.mark.parametrize("job", CATALOGUE)
def test_schema_and_worker_require_and_allow_the_same_fields(job: str) -> None:
    texts = [json.dumps(body) for body in varied(contract_schema(job))]
    by_schema = [schema_accepts(job, text) for text in texts]
    assert by_schema == [worker_accepts(job, text) for text in texts]
    assert set(by_schema) == {True, False}


@pytest.mark.parametrize("place", OBJECTS)
def test_schema_and_worker_require_and_allow_the_same_fields_inside(place: Place) -> None:
    for value in varied(place.choices[0]):
        assert list(differences(place, json.dumps(value))) == []


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_patterns_mean_the_same_to_python_and_to_ecma_262(place: Place) -> None:
    for choice in place.choices:
        if "pattern" in choice:
            ecma = regress.Regex(choice["pattern"])
            for text in filter(_is_unicode, (*TEXTS, *NUMBER_TEXTS, *TIME_TEXTS, *ID_TEXTS)):
                if choice.get("minLength", 0) <= len(text) <= choice.get("maxLength", len(text)):
                    assert bool(re.search(choice["pattern"], text)) == bool(ecma.find(text)), text


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def test_what_a_pattern_excludes_is_never_printable() -> None:
    excluded = re.compile(printable_but().replace("^[^", "[").partition("]")[0] + "]")
    odd = [char for char in map(chr, range(0x110000)) if excluded.match(char) and char.isprintable()]
    assert odd == []
