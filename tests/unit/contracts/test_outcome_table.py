"""docs/outcomes.md lists every code there is, with the statuses that the contracts really answer with."""

import json
import re
from pathlib import Path

from models.contracts.jobs.apps import app_body, app_error
from models.contracts.jobs.users import user_error
from models.contracts.jobs.wallet_contract import wallet_error
from models.contracts.replies.outcome import OutcomeDocument
from models.contracts.wire.status import HTTP_STATUS
from models.domain.deciding.decision import DecisionContext
from models.domain.outcome import Code, Refusal
from tests.support.builders import NOW, user_account

DOCUMENT = (Path(__file__).parents[3] / "docs" / "outcomes.md").read_text()
TABLE = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in DOCUMENT.partition("## The codes")[2].splitlines()
    if line.startswith("| `")
]
SUCCESSES = {Code.APPLIED, Code.UNCHANGED}
DETAILS = {"errors": [], "field": "f", "input": 0}
PROFILES = {"users": user_error, "wallets": wallet_error, "apps": app_error}


def test_lists_exactly_the_codes_there_are() -> None:
    assert [row[0].strip("`") for row in TABLE] == [code.value for code in Code]


def test_each_code_has_a_status_a_meaning_and_an_advice() -> None:
    for row in TABLE:
        assert len(row) == 6, row
        assert all(row), row
        assert any(re.fullmatch(r"\d{3}", cell) for cell in row[1:4]), row


def test_statuses_are_those_of_the_error_bodies() -> None:
    for row in TABLE:
        code = Code(row[0].strip("`"))
        for cell, error in zip(row[1:4], PROFILES.values(), strict=True):
            if code not in SUCCESSES and cell != "–":
                assert error(Refusal(code, "no", DETAILS))["status"] == int(cell), row


def test_successes_have_the_status_of_the_source_apis() -> None:
    created = app_body(user_account(), DecisionContext(NOW))["status"]
    assert {HTTP_STATUS[code] for code in SUCCESSES} == {200}
    assert [row[1:4] for row in TABLE[:2]] == [["200", "200", str(created)]] * 2


def test_the_example_has_the_shape_of_the_document() -> None:
    example = json.loads(DOCUMENT.partition("```json")[2].partition("```")[0])
    assert list(example) == list(OutcomeDocument.model_fields)
    OutcomeDocument.model_validate(example, strict=False)


def test_each_field_of_the_document_is_explained() -> None:
    explained = DOCUMENT.partition("| field |")[2].partition("## The codes")[0]
    assert set(OutcomeDocument.model_fields) <= set(re.findall(r"`(\w+)`", explained))
