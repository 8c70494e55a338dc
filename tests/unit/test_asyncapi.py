"""asyncapi.yaml is what the contracts say, is sound as an AsyncAPI document, and its examples are valid jobs.

Soundness is checked here by the rules of AsyncAPI 3.0 that this document can break. The official parser says more:
`npx @asyncapi/cli validate asyncapi.yaml`.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from balance_client.publishing.job_message import JobMessage, job_message
from models.contracts.catalogue import CATALOGUE
from models.contracts.message import parse
from models.contracts.spec.asyncapi import COMMAND, VERSION, document, to_yaml
from models.contracts.spec.event_examples import EVENT_EXAMPLES
from models.contracts.spec.event_schemas import event_schema
from models.contracts.spec.examples import EXAMPLES
from models.contracts.spec.meanings import MEANINGS
from models.contracts.spec.schemas import NOT_ALWAYS
from models.contracts.wire.envelope import Contract
from models.domain.events import EventType
from models.domain.outcome import Code, Refusal

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = document()
SCHEMAS = DOCUMENT["components"]["schemas"]
EXAMPLE_CASES = [pytest.param(name, example, id=name) for name, many in EXAMPLES.items() for example in many]
NAME = re.compile(r"[A-Za-z0-9._-]+")


def validator(schema: dict[str, Any]) -> Draft7Validator:
    """For a schema of the document, whose references it resolves."""
    return Draft7Validator({"allOf": [schema], "components": DOCUMENT["components"]})


def nodes(value: Any, path: str = "#") -> Iterator[tuple[str, Any]]:
    yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from nodes(item, f"{path}/{str(key).replace('~', '~0').replace('/', '~1')}")


POINTERS = dict(nodes(DOCUMENT))


def test_the_file_is_up_to_date() -> None:
    path = ROOT / "asyncapi.yaml"
    assert path.exists(), f"run: {COMMAND}"
    assert path.read_text(encoding="utf-8") == to_yaml(), f"asyncapi.yaml differs from the contracts; run: {COMMAND}"


def test_the_text_is_the_document() -> None:
    assert yaml.safe_load(to_yaml()) == DOCUMENT
    assert to_yaml() == to_yaml()
    assert "&id0" not in to_yaml()


def test_version_is_that_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION, "models/contracts/spec/asyncapi.py: VERSION"


# --- a sound AsyncAPI document --------------------------------------------------------------------------------------


def test_has_the_parts_that_asyncapi_requires() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(DOCUMENT["info"])
    assert set(DOCUMENT) <= {
        "asyncapi", "id", "info", "servers", "defaultContentType", "channels", "operations", "components",
    }  # fmt: skip
    for server in DOCUMENT["servers"].values():
        assert {"host", "protocol"} <= set(server)
        assert "://" not in server["host"]


def test_names_are_allowed_ones() -> None:
    for part in ("servers", "channels", "operations"):
        assert all(NAME.fullmatch(name) for name in DOCUMENT[part])
    assert all(NAME.fullmatch(name) for name in SCHEMAS)


def test_every_reference_resolves_and_stands_alone() -> None:
    for path, node in POINTERS.items():
        if isinstance(node, dict) and isinstance(node.get("$ref"), str) and "/examples/" not in path:
            assert node["$ref"] in POINTERS, f"{path} names {node['$ref']}, which is not there"
            assert len(node) == 1, f"{path}: what stands beside a $ref is ignored"


def test_no_schema_is_left_over() -> None:
    used = {node["$ref"].rpartition("/")[2] for node in POINTERS.values() if isinstance(node, dict) and "$ref" in node}
    assert set(SCHEMAS) - used == set()


def test_operations_name_messages_of_their_channel() -> None:
    for name, operation in DOCUMENT["operations"].items():
        assert operation["action"] in {"send", "receive"}
        channel = operation["channel"]["$ref"]
        assert channel in POINTERS
        for message in operation.get("messages", ()):
            assert message["$ref"].startswith(f"{channel}/messages/"), name
        if reply := operation.get("reply"):
            assert POINTERS[reply["channel"]["$ref"]]["address"] is None, "a reply with an address of its own"
            assert re.fullmatch(r"\$message\.(header|payload)#/\w+", reply["address"]["location"])
            for message in reply["messages"]:
                assert message["$ref"].startswith(f"{reply['channel']['$ref']}/messages/"), name


def test_every_schema_is_a_json_schema() -> None:
    for name, schema in SCHEMAS.items():
        Draft7Validator.check_schema(schema)
        for path, node in nodes(schema, name):
            # Words of newer drafts would be ignored by tools that read draft 7.
            assert not (isinstance(node, dict) and {"$defs", "prefixItems", "unevaluatedProperties"} & set(node)), path


def test_every_integer_of_ours_is_bounded_by_what_a_database_can_hold() -> None:
    foreign = ("Celery", "AppError", "Violation")  # Celery's own, and what is said in words alone
    for name, schema in SCHEMAS.items():
        for path, node in nodes(schema, name):
            if isinstance(node, dict) and node.get("type") == "integer" and not name.startswith(foreign):
                assert node.get("minimum", -(2**64)) > -(2**63), path
                assert min(node.get("maximum", 2**64), node.get("exclusiveMaximum", 2**64)) < 2**63, path


def test_an_answer_lacks_nothing_that_answers_always_had_and_defaults_to_nothing() -> None:
    for name, schema in SCHEMAS.items():
        if name.endswith(("Body", "Document")):
            assert set(schema["properties"]) - set(schema["required"]) == {NOT_ALWAYS.get(name)} - {None}, name
            assert not [path for path, node in nodes(schema) if path.endswith("/default")], name


# --- complete -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_job_is_an_operation_with_a_message(name: str) -> None:
    assert DOCUMENT["operations"][name]["action"] == "receive"
    message = DOCUMENT["channels"]["balance"]["messages"][name]
    assert message["examples"]
    schema = SCHEMAS[CATALOGUE[name].__name__]
    assert set(schema["properties"]) == set(CATALOGUE[name].model_fields)
    assert schema["description"] == CATALOGUE[name].SUMMARY


def test_every_event_is_a_message() -> None:
    assert list(DOCUMENT["channels"]["events"]["messages"]) == [kind.value for kind in EventType]
    assert event_schema(EventType.WALLET_BALANCE_DROPPED) == "WalletCreditBalanceDroppedEvent"


def test_every_code_has_a_meaning_the_same_as_in_the_docs() -> None:
    assert list(MEANINGS) == list(Code)
    table = (ROOT / "docs" / "outcomes.md").read_text(encoding="utf-8").partition("## The codes")[2]
    rows = [[cell.strip() for cell in line.split("|")] for line in table.splitlines() if line.startswith("| `")]
    meanings = {row[1].strip("`"): row[5] for row in rows}
    assert {code.value: meaning for code, meaning in MEANINGS.items()} == meanings, "code_meanings.py, outcomes.md"
    assert all(f"`{code.value}` — {MEANINGS[code]}" in SCHEMAS["Code"]["description"] for code in Code)


def test_each_event_has_an_example_that_is_valid() -> None:
    assert set(EVENT_EXAMPLES) == {kind.value for kind in EventType}
    for kind, example in EVENT_EXAMPLES.items():
        found = validator(SCHEMAS[event_schema(EventType(kind))]).iter_errors(example)
        assert [error.message for error in found] == [], kind
        assert DOCUMENT["channels"]["events"]["messages"][kind]["examples"] == [{"name": kind, "payload": example}]


# --- examples -------------------------------------------------------------------------------------------------------


def test_every_job_has_an_example() -> None:
    assert list(EXAMPLES) == list(CATALOGUE)


@pytest.mark.parametrize(("name", "example"), EXAMPLE_CASES)
def test_example_is_valid_by_schema_and_contract(name: str, example: dict[str, Any]) -> None:
    contract: type[Contract] = CATALOGUE[name]
    validator(SCHEMAS[contract.__name__]).validate(example)
    contract.model_validate(example)
    assert not isinstance(parse(name, example).command, Refusal)


@pytest.mark.parametrize("name", CATALOGUE)
def test_example_messages_are_valid(name: str) -> None:
    message = DOCUMENT["channels"]["balance"]["messages"][name]
    for example in message["examples"]:
        validator(message["payload"]).validate(example["payload"])
        validator(message["headers"]).validate(example["headers"])


@pytest.mark.parametrize(("name", "example"), EXAMPLE_CASES)
def test_the_message_of_the_client_is_valid(name: str, example: dict[str, Any]) -> None:
    sent: JobMessage = job_message((name, example), "billing", want_result=True)
    message = DOCUMENT["channels"]["balance"]["messages"][name]
    validator(message["payload"]).validate(json.loads(sent.body()))
    validator(message["headers"]).validate(sent.headers(sent.body()))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("wallets.top_up", {"transaction_reason": "GIFT"}),
        ("wallets.top_up", {"credits_to_add": "a lot"}),
        ("wallets.top_up", {"wallet": "w_1"}),
        ("users.update_balance", {"amount_kopeks": "1"}),
        ("users.update_balance", {"idempotency_key": ""}),
    ],
)
def test_schema_refuses_what_the_contract_refuses(name: str, change: dict[str, Any]) -> None:
    body = {**EXAMPLES[name][0], **change}
    assert isinstance(parse(name, {**body, "idempotency_key": "k"}).command, Refusal) or "idempotency_key" in change
    assert list(validator(SCHEMAS[CATALOGUE[name].__name__]).iter_errors(body))
