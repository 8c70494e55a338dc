"""The producer's client without a broker: what it refuses, what it says, and what it makes of an outcome."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from time import process_time
from typing import Any
from uuid import UUID

import pytest
from pydantic import TypeAdapter, ValidationError

import balance_client as client_module
from balance_client import BalanceClient, InvalidJob, PublishFailed
from balance_client.publishing.handles import outcome_of
from balance_client.publishing.job_message import JobSpec, job_message
from models.contracts.catalogue import CATALOGUE
from models.contracts.wire.envelope import Contract
from models.contracts.wire.signature import Signed, sign
from tests.support.servers.places import PLACES, Place

TOP_UP: dict[str, Any] = {
    "idempotency_key": "k1",
    "wallet_id": "w_1",
    "credits_to_add": "12.50",
    "transaction_reason": "PURCHASED_CREDIT_DIRECT",
}


def asked(name: str, kwargs: dict[str, Any]) -> None:
    job_message((name, kwargs), "default", want_result=True)


# --- what is refused ------------------------------------------------------------------------------------------------

REFUSED = [
    (
        {"credits_to_add": 1.5},
        "wallets.top_up: credits_to_add = 1.5 (float): Input should be a number or a string that holds one; "
        "a float is not exact, pass it as a string",
        "decimal_type",
    ),
    ({"wallet_id": None}, "wallets.top_up: wallet_id = None: Input should be a valid string", "string_type"),
    (
        {"credits_to_add": "0"},
        "wallets.top_up: credits_to_add = 0 (Decimal), amount = None: "
        "Either credits_to_add or amount must be greater than zero",
        "amount_missing",
    ),
    (
        {"transaction_reason": "CREDIT_EXPIRED"},
        "wallets.top_up: transaction_reason = 'CREDIT_EXPIRED' (str): "
        "transaction_reason CREDIT_EXPIRED is written by the system alone",
        "reason_reserved",
    ),
    (
        {"expiry_date_utc": "soon"},
        "wallets.top_up: expiry_date_utc = 'soon' (str): Input should be an RFC 3339 time like 2027-01-31T12:00:00Z",
        "datetime_type",
    ),
]


@pytest.mark.parametrize(("change", "message", "code"), REFUSED, ids=[case[2] for case in REFUSED])
def test_invalid_job_names_field_value_and_rule(change: dict[str, Any], message: str, code: str) -> None:
    with pytest.raises(InvalidJob) as caught:
        asked("wallets.top_up", {**TOP_UP, **change})
    assert str(caught.value) == message
    assert caught.value.errors[0]["type"] == code
    assert caught.value.errors[0]["loc"] == ["body", next(iter(change))]


def test_every_breach_is_named_at_once() -> None:
    with pytest.raises(InvalidJob) as caught:
        asked("users.update_balance", {"user_id": "7", "amount": 1})
    assert {tuple(error["loc"]) for error in caught.value.errors} == {
        ("body", "idempotency_key"),
        ("body", "user_id"),
        ("body", "amount_kopeks"),
        ("body", "amount"),
    }
    assert "idempotency_key is missing" in str(caught.value)
    assert "user_id = '7' (str): Input should be a valid integer" in str(caught.value)


def test_rule_of_the_whole_body_needs_no_field() -> None:
    with pytest.raises(InvalidJob, match=r"^users\.update_balance: Exactly one of user_id and telegram_id is required"):
        asked("users.update_balance", {"idempotency_key": "k", "amount_kopeks": 1, "user_id": 1, "telegram_id": 2})


HOSTILE_VALUES: dict[str, Any] = {
    "an integer of 5,001 digits": 10**5000,
    "a negative one": -(10**5000),
    "one in a list": [10**5000],
    "one in an object": {"a": 10**5000},
    "one as a name": {10**5000: "a"},
    "a decimal of 5,000 digits": Decimal("9" * 5000),
    "a huge decimal": Decimal("1e999999999999"),
    "a tiny decimal": Decimal("1e-999999999999"),
    "not a number": Decimal("sNaN"),
    "a huge text": "1e999999999999",
    "a text of 5,000 digits": "9" * 5000,
    "a huge float": 1e300,
    "an infinite float": float("-inf"),
}


@pytest.mark.parametrize("value", HOSTILE_VALUES.values(), ids=HOSTILE_VALUES)
@pytest.mark.parametrize("place", [place for place in PLACES if place.takes("integer", "number")], ids=str)
def test_hostile_numbers_are_an_invalid_job(place: Place, value: Any) -> None:
    if isinstance(value, str) and place.takes("string") and not place.takes("number"):
        value = [value]  # where numbers are names, any text is one
    with pytest.raises(InvalidJob) as caught:
        asked(place.job, next(place.bodies(value)))
    assert str(place.path[0]) in str(caught.value)
    assert len(str(caught.value)) < 1_000
    assert len(json.dumps(caught.value.errors)) < 2_000


@pytest.mark.parametrize(
    "value", [10**1_000_000, Decimal("9" * 1_000_000), "9" * 1_000_000], ids=["int", "Decimal", "str"]
)
def test_a_number_of_a_megabyte_takes_no_time(value: Any) -> None:
    before = process_time()
    for field in ("credits_to_add", "priority", "wallet_id", "metadata", "expiry_date_utc", "unheard_of"):
        with pytest.raises(InvalidJob):
            asked("wallets.top_up", {**TOP_UP, field: value})
    assert process_time() - before < 2


def test_long_values_are_cut() -> None:
    with pytest.raises(InvalidJob) as caught:
        asked("wallets.terminate", {"idempotency_key": "k", "wallet_id": "w" * 10_000})
    assert len(str(caught.value)) < 400


def test_unknown_job_is_answered_with_those_there_are() -> None:
    with pytest.raises(InvalidJob, match=r"autotopup\.top_up: there is no such job; there are wallets\.create, "):
        asked("autotopup.top_up", TOP_UP)


def test_one_invalid_job_of_many_is_named_and_nothing_is_published() -> None:
    jobs: list[JobSpec] = [("wallets.top_up", TOP_UP), ("wallets.top_up", {**TOP_UP, "priority": -1})]
    with (
        BalanceClient(closed_port_url()) as client,  # publishing would raise PublishFailed
        pytest.raises(InvalidJob, match=r"^jobs\[1\]: wallets\.top_up: priority = -1 \(int\): ") as caught,
    ):
        client.submit_many(jobs)
    assert caught.value.index == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"broker_url": "sqs://x"}, "broker_url is a sqs:// URL"),
        ({"broker_url": "redis://x", "result_url": "rpc://"}, "result_url can be rpc:// only"),
        ({"broker_url": "redis://x", "producer": "balance-worker"}, "is reserved for the system"),
        ({"broker_url": "redis://x", "producer": ""}, "at least 1 character"),
    ],
)
def test_wrong_settings_are_refused_at_once(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BalanceClient(**arguments)


def test_chunk_has_limits() -> None:
    with BalanceClient(closed_port_url()) as client, pytest.raises(ValueError, match="allowed is 1 to 5000"):
        client.submit_many([], chunk=0)


# --- without a broker -----------------------------------------------------------------------------------------------


def closed_port_url() -> str:
    return "redis://user:secret@127.0.0.1:1/0"


def test_absent_broker_is_said_and_no_password_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("balance_client.publishing.confirmed.PAUSE_S", 0)
    with BalanceClient(closed_port_url()) as client, pytest.raises(PublishFailed) as caught:
        client.wallets_top_up(**TOP_UP)
    text = str(caught.value)
    assert text.startswith(
        "wallets.top_up key=k1: not accepted by the broker; publish again with the same key (OperationalError: "
    )
    assert "secret" not in text
    assert [job.idempotency_key for job in caught.value.unknown] == ["k1"]


def test_client_loads_no_database_toolkit() -> None:
    program = "import sys, balance_client.client; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert not {"sqlalchemy", "psycopg", "alembic", "celery"} & set(loaded)


def test_published_names_exist() -> None:
    assert all(hasattr(client_module, name) for name in client_module.__all__)


# --- outcomes -------------------------------------------------------------------------------------------------------


def document(**changes: Any) -> dict[str, Any]:
    return {
        "job_id": str(UUID(int=5)),
        "producer": "billing",
        "idempotency_key": "k1",
        "status": "applied",
        "replayed": False,
        "code": "applied",
        "entry": {
            "id": "1-1",
            "account": "wallet:w_1",
            "seq": 1,
            "amount": 12_500_000_000,
            "balance_before": 0,
            "balance_after": 12_500_000_000,
            "scale": 9,
            "created_at": "2027-01-31T12:00:00.5Z",
        },
        "response": {"balance": Decimal("12.5")},
        "error": None,
        **changes,
    }


def test_outcome_is_typed() -> None:
    outcome = outcome_of(document())
    assert outcome.applied
    assert outcome.job_id == UUID(int=5)
    assert outcome.entry is not None
    assert outcome.entry.created_at == datetime(2027, 1, 31, 12, 0, 0, 500_000, tzinfo=UTC)
    assert outcome.response == {"balance": Decimal("12.5")}
    assert outcome.raw["code"] == "applied"


def test_a_second_entry_of_the_job_is_typed_too() -> None:
    written = document()["entry"]
    outcome = outcome_of(document(bonus_entry={**written, "id": "1-2", "seq": 2, "origin": "free"}))
    assert outcome.bonus_entry is not None
    assert (outcome.bonus_entry.seq, outcome.bonus_entry.origin) == (2, "free")
    assert outcome.entry is not None
    assert outcome.entry.origin is None, "as old answers have it"
    assert outcome_of(document()).bonus_entry is None


def test_outcome_of_a_newer_worker_is_understood() -> None:
    newer = document(code="a_new_code", status="rejected", entry=None, error={"status": 409, "body": {}}, more=1)
    outcome = outcome_of(newer)
    assert not outcome.applied
    assert (outcome.code, outcome.raw["more"]) == ("a_new_code", 1)
    assert outcome.error is not None
    assert outcome.error.status == 409


def test_every_contract_forbids_unknown_fields() -> None:
    # Otherwise a misspelt field in submit() would be dropped in silence.
    for contract in CATALOGUE.values():
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            TypeAdapter[Contract](contract).validate_python({"idempotency_keys": "k"})


def test_a_secret_signs_what_its_producer_publishes_and_nothing_else() -> None:
    secret = "s" * 32
    job = ("users.upsert", {"idempotency_key": "k", "user_id": 1})
    message = job_message(job, "billing", want_result=False, secret=secret)
    body = message.body()
    headers = message.headers(body, "replies")
    signed = Signed("users.upsert", body, headers["balance_signed_at"], message.task_id, reply_to="replies")
    assert headers["balance_signature"] == sign(secret, signed)
    assert secret not in repr(message)
    assert "balance_signature" not in job_message(job, "billing", want_result=False).headers(body)
    with pytest.raises(InvalidJob, match=r"producer = 'other' \(str\): The secret is that of billing"):
        job_message((job[0], {**job[1], "producer": "other"}), "billing", want_result=False, secret=secret)
    with BalanceClient("redis://127.0.0.1:1/0", "billing", secret=secret) as client:
        kept = job_message(job, "shop", want_result=False)
        with pytest.raises(ValueError, match="is by 'shop'; the client's secret is that of 'billing'"):
            client.publish([kept])


def test_a_secret_that_could_be_guessed_is_refused() -> None:
    with pytest.raises(ValueError, match="secret has 6 characters; at least 32 are needed"):
        BalanceClient("redis://127.0.0.1:1/0", secret="secret")
