"""The client's methods against the contracts: their signatures, and the messages that they make."""

import inspect
import json
import types
import typing
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from balance_client import ABSENT, Absent, BalanceClient
from balance_client.publishing.handles import JobHandle
from balance_client.publishing.job_message import JobMessage, JobSpec, job_message
from balance_client.publishing.job_methods import JobMethods
from models.contracts.catalogue import CATALOGUE
from models.contracts.jobs.users import PromoGroup, Subscription, UsersUpsert
from models.contracts.jobs.wallet_contract import WalletConfig
from models.contracts.jobs.wallet_credits import WalletsTopUp
from models.contracts.message import parse
from models.contracts.spec.examples import EXAMPLES

METHODS = {name: getattr(BalanceClient, name.replace(".", "_")) for name in CATALOGUE}
EXAMPLE_CASES = [pytest.param(name, example, id=name) for name, many in EXAMPLES.items() for example in many]
TOP_UP: dict[str, Any] = {
    "idempotency_key": "k1",
    "wallet_id": "w_1",
    "credits_to_add": "12.50",
    "transaction_reason": "PURCHASED_CREDIT_DIRECT",
}


class Recorder(JobMethods[JobHandle]):
    """Keeps the messages that would have been published."""

    def __init__(self) -> None:
        self.sent: list[JobMessage] = []

    def submit(self, job: JobSpec, *, want_result: bool = True) -> JobHandle:
        message = job_message(job, "default", want_result)
        self.sent.append(message)
        return JobHandle(message, None)

    def kwargs(self) -> dict[str, Any]:
        """The arguments of the last message, after a journey through JSON."""
        sent: dict[str, Any] = json.loads(json.dumps(self.sent[-1].kwargs))
        return sent


# --- signatures -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CATALOGUE)
def test_method_takes_the_fields_of_its_contract(name: str) -> None:
    parameters = dict(inspect.signature(METHODS[name]).parameters)
    del parameters["self"], parameters["want_result"]
    fields = {field: info for field, info in CATALOGUE[name].model_fields.items() if field != "producer"}
    assert set(parameters) == set(fields), f"{name} in publishing/job_methods.py and its contract differ"
    for field, parameter in parameters.items():
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        expected = inspect.Parameter.empty if fields[field].is_required() else ABSENT
        assert parameter.default is expected, f"{name}: {field} is required in one of the two only"


ACCEPTED_AS: dict[Any, set[Any]] = {
    Decimal: {Decimal, int, str},
    datetime: {datetime, str},
    UUID: {UUID, str},
    WalletConfig: {WalletConfig, dict[str, Any]},
    PromoGroup: {PromoGroup, dict[str, Any]},
    Subscription: {Subscription, dict[str, Any]},
}
WIDER: dict[str, set[Any]] = {
    "app_id": {int},
    "store_id": {int},
    "expiry_date_utc": {date},
    "bonus_expiry_date_utc": {date},
}


def members(annotation: Any) -> set[Any]:
    """The types of a union, without what Annotated says about them."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return set().union(*(members(part) for part in typing.get_args(annotation)))
    if origin is typing.Annotated:
        return members(typing.get_args(annotation)[0])
    if origin is list:
        [item] = typing.get_args(annotation)
        return {(list, frozenset().union(*(ACCEPTED_AS.get(each, {each}) for each in members(item))))}
    if origin is dict:
        return {dict[str, str]} if typing.get_args(annotation) != (str, Any) else {annotation}
    return {annotation}


@pytest.mark.parametrize("name", CATALOGUE)
def test_method_takes_the_types_of_its_contract(name: str) -> None:
    hints = typing.get_type_hints(METHODS[name])
    for field, info in CATALOGUE[name].model_fields.items():
        if field == "producer":
            continue
        expected = set().union(*(ACCEPTED_AS.get(each, {each}) for each in members(info.annotation)))
        expected |= WIDER.get(field, set())
        if not info.is_required():
            expected.add(Absent)
        assert members(hints[field]) == expected, f"{name}: {field}"


# --- what is sent ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "example"), EXAMPLE_CASES)
def test_message_means_what_was_asked(name: str, example: dict[str, Any]) -> None:
    recorder = Recorder()
    getattr(recorder, name.replace(".", "_"))(**{k: v for k, v in example.items() if k != "producer"})
    assert parse(name, recorder.kwargs()).fingerprint == parse(name, example).fingerprint


def test_only_given_fields_are_sent() -> None:
    recorder = Recorder()
    recorder.wallets_top_up(**TOP_UP)
    assert recorder.kwargs() == {"producer": "default", **TOP_UP, "credits_to_add": "12.5"}


def test_exact_values_are_sent_as_text() -> None:
    recorder = Recorder()
    recorder.wallets_top_up(
        idempotency_key="k1",
        wallet_id="w_1",
        credits_to_add=Decimal("0.100000000000000001"),
        amount=3,
        transaction_reason="INVOICE_REFUND",
        expiry_date_utc=datetime(2099, 1, 1, 12, 30, tzinfo=UTC),
    )
    sent = recorder.kwargs()
    assert sent["credits_to_add"] == "0.100000000000000001"
    assert sent["amount"] == "3"
    assert sent["expiry_date_utc"] == "2099-01-01T12:30:00Z"
    recorder.entries_reverse(idempotency_key="k2", job_id=UUID(int=7))
    assert recorder.kwargs()["job_id"] == str(UUID(int=7))


def test_none_clears_and_absent_leaves() -> None:
    recorder = Recorder()
    recorder.users_upsert(idempotency_key="k", user_id=42, username=None)
    sent = recorder.kwargs()
    assert sent["username"] is None
    assert "first_name" not in sent
    command = UsersUpsert.model_validate(sent).to_command()
    assert dict(command.changes) == {"username": None}


def test_representation_shows_the_key_and_no_amount() -> None:
    headers = job_message(("wallets.top_up", TOP_UP), "billing", want_result=True).headers(b"")
    assert headers["kwargsrepr"] == "wallets.top_up key=k1"
    assert "12.5" not in json.dumps(headers)


def test_contract_instance_gets_the_producer_of_the_client() -> None:
    message = job_message(WalletsTopUp.model_validate(TOP_UP), "billing", want_result=False)
    assert message.kwargs["producer"] == "billing"
    named = WalletsTopUp.model_validate({**TOP_UP, "producer": "crm"})
    assert job_message(named, "billing", want_result=False).kwargs["producer"] == "crm"


def test_each_message_has_a_task_id_of_its_own() -> None:
    ids = {job_message(("wallets.top_up", TOP_UP), "default", want_result=True).task_id for _ in range(100)}
    assert len(ids) == 100
