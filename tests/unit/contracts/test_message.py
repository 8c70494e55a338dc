"""From a message's arguments to a job: understood, refused at its turn, or malformed."""

from typing import Any

import pytest

from models.contracts.catalogue import CATALOGUE
from models.contracts.message import Malformed, parse
from models.domain.deciding.commands import UserCorrect
from models.domain.outcome import Code, Refusal

BODY: dict[str, Any] = {"idempotency_key": "k", "user_id": 1, "amount_kopeks": 5}


def refusal(**fields: Any) -> Refusal:
    command = parse("users.update_balance", {**BODY, **fields}).command
    assert isinstance(command, Refusal)
    assert command.code is Code.INVALID_REQUEST
    return command


def test_a_good_body_is_a_job_with_its_command() -> None:
    job = parse("users.update_balance", {**BODY, "producer": "shop", "metadata": {"a": "1"}})
    assert (job.name, job.producer, job.key, job.metadata) == ("users.update_balance", "shop", "k", {"a": "1"})
    assert isinstance(job.command, UserCorrect)


@pytest.mark.parametrize("name", ["users.set_balance", "", "autotopup.top_up", "credits.expire_grant"])
def test_there_is_no_such_job_to_publish(name: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse(name, BODY)
    assert caught.value.reason == "unknown_job"
    assert all(known in str(caught.value) for known in CATALOGUE)


@pytest.mark.parametrize("name", CATALOGUE)
@pytest.mark.parametrize("kwargs", [{}, {"idempotency_key": None}, {"idempotency_key": "k", "producer": ""}])
def test_without_a_usable_key_it_cannot_be_answered(name: str, kwargs: dict[str, Any]) -> None:
    with pytest.raises(Malformed) as caught:
        parse(name, kwargs)
    assert caught.value.reason == "unusable_key"


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_arguments_nested_too_deeply_are_malformed_and_no_fault() -> None:
    assert refusal(user_id=nested(50)).code is Code.INVALID_REQUEST
    with pytest.raises(Malformed) as caught:
        parse("users.update_balance", {**BODY, "user_id": nested(900)})
    assert caught.value.reason == "too_deep"


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_bad_body_under_a_usable_key_is_a_refusal_in_its_turn(name: str) -> None:
    job = parse(name, {"idempotency_key": "k", "nonsense": 1})
    assert isinstance(job.command, Refusal)
    assert (job.command.code, job.key, job.producer) == (Code.INVALID_REQUEST, "k", "default")
    assert ["body", "nonsense"] in [item["loc"] for item in job.command.details["errors"]]


def test_a_refusal_names_each_field_with_what_was_sent() -> None:
    found = refusal(amount_kopeks="5", create_transaction=1)
    assert [(item["type"], item["loc"], item["input"]) for item in found.details["errors"]] == [
        ("int_type", ["body", "amount_kopeks"], "5"),
        ("bool_type", ["body", "create_transaction"], 1),
    ]
    assert found.message.startswith("Invalid request: amount_kopeks: ")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("x" * 300, "x" * 200 + "… (300 characters)"),
        ("a\x00b", "a\\0b"),
        ("\ud800", "?"),
        (1.5, "1.5"),
        (float("nan"), "nan"),
        (2**63, str(2**63)),
        ([1], "[1]"),
    ],
)
def test_a_refusal_shows_the_input_in_a_form_that_can_be_stored(value: object, shown: str) -> None:
    assert refusal(user_id=value).details["errors"][0]["input"] == shown


def test_the_meaning_of_a_refused_body_is_all_that_was_sent() -> None:
    first, second = (parse("users.update_balance", {**BODY, "nonsense": value}) for value in (1, 2))
    again = parse("users.update_balance", {**BODY, "nonsense": 1, "producer": "other", "idempotency_key": "other"})
    assert first.fingerprint != second.fingerprint
    assert first.fingerprint == again.fingerprint
