"""Numbers that nothing can hold are answered under their key: in every field that takes a number, of every contract."""

from __future__ import annotations

import json
from collections.abc import Iterator
from time import process_time

import pytest

from models.contracts.catalogue import CATALOGUE
from models.contracts.message import parse
from models.domain.deciding.commands import Job
from models.domain.outcome import Refusal
from tests.support.builders import settle
from tests.support.ledgers import Ledger, kept
from tests.support.literals import HOSTILE
from tests.support.servers.places import PLACES, Place
from worker.encoding.serialization import loads

NUMERIC = [place for place in PLACES if place.takes("integer", "number")]
MARKED = [
    f'{{"__type__": "decimal", "__value__": {value}}}'
    for literal in HOSTILE
    for value in (literal, json.dumps(literal))
]
WRAPPED = [f"[{literal}]" for literal in HOSTILE] + [f'{{"a": {{"b": [{literal}]}}}}' for literal in HOSTILE]


def sent(place: Place, literal: str, key: str) -> Job:
    """The job of a message with this text in this place."""
    body = next(place.bodies("@@"))
    return parse(place.job, loads(json.dumps({**body, "idempotency_key": key}).replace('"@@"', literal)))


def cases(job: str) -> Iterator[tuple[Place, str, str]]:
    for place in NUMERIC:
        if place.job == job:
            for number, literal in enumerate((*HOSTILE, *MARKED, *WRAPPED)):
                yield place, literal, f"{place} {number}"


@pytest.mark.parametrize("name", sorted({place.job for place in NUMERIC}))
def test_a_hostile_number_is_answered_stored_and_replayed(ledger: Ledger, name: str) -> None:
    first = settle(ledger, *(sent(*case) for case in cases(name)))
    again = settle(ledger, *(sent(*case) for case in cases(name)))
    assert [document["code"] for document in first] == ["invalid_request"] * len(first)
    assert again == [{**document, "replayed": True} for document in first]
    errors = [json.dumps(document["error"]) for document in first]
    for (place, *_), error in zip(cases(name), errors, strict=True):
        assert str(place.path[0]) in error
        assert len(error) < 2_000
    stored = kept(ledger, "jobs", "body", "idempotency_key")
    assert len(stored) == len(first)
    assert all(row["body"] for row in stored)


WITHOUT_NUMBERS = {
    "wallets.terminate", "holds.release", "grants.void", "auto_topup.resume", "auto_topup.run_now", "auto_topup.cancel",
    "charges.settle", *(f"webhooks.{name}" for name in ("add", "update", "enable", "disable", "remove")),
}  # fmt: skip


def test_every_contract_with_a_number_is_tried() -> None:
    assert {place.job for place in NUMERIC} == set(CATALOGUE) - WITHOUT_NUMBERS


def test_another_hostile_number_under_the_key_is_another_meaning(ledger: Ledger) -> None:
    [place] = [place for place in NUMERIC if str(place) == "users.update_balance: amount_kopeks"]
    jobs = [sent(place, literal, "k") for literal in (*HOSTILE, "9" * 4300, "5")]
    codes = [document["code"] for document in settle(ledger, *jobs)]
    assert codes == ["invalid_request"] + ["idempotency_conflict"] * (len(jobs) - 1)


@pytest.mark.parametrize(
    "literal", ["9" * 1_000_000, f"0.{'1' * 1_000_000}", f"1e{'9' * 1_000_000}", f"-{'9' * 999_999}.5"]
)
def test_a_number_of_a_megabyte_takes_no_time(literal: str) -> None:
    """To turn a million digits into an integer would take seconds, and so would writing one."""
    before = process_time()
    for place in PLACES:
        if place.job == "users.upsert" and place.path[0] not in ("idempotency_key", "producer"):
            for text in (literal, f'{{"__type__": "decimal", "__value__": {literal}}}'):
                assert isinstance(sent(place, text, "k").command, Refusal)
    assert process_time() - before < 10
