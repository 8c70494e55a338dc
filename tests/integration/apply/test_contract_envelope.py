"""The envelope that every job carries, row by row of its contract, and the outcome document.

| row or sentence | tests |
|---|---|
| idempotency_key | test_envelope_row_idempotency_key_*, test_same_key_* |
| producer | test_envelope_row_producer_* |
| occurred_at | test_envelope_row_occurred_at_*; what it orders: test_contract_apps.py |
| metadata | test_envelope_row_metadata_*; a note: test_same_key_another_note_* |
| meaning is the normalised command | test_meaning_* |
| the outcome document, in the answer and in jobs | test_outcome_* |
| a refusal is stored and replayed | test_refusal_* |
| a fault is never answered | tests/integration/store/test_faults.py |
"""

import json
from typing import Any
from uuid import UUID

import pytest

from models.contracts.message import Malformed, parse
from models.contracts.replies.outcome import OutcomeDocument
from models.domain.deciding.decision import Limits
from models.domain.idempotency import canonical, fingerprint
from tests.support.builders import ask, balance, done, entries, events, job, settle
from tests.support.ledgers import Ledger, answered_as, kept, outcome_text, outcomes

ENTRY_KEYS = {"id", "account", "seq", "amount", "balance_before", "balance_after", "scale", "created_at"}


@pytest.fixture
def user(ledger: Ledger) -> str:
    done(ledger, "users.upsert", user_id=1)
    return "user:1"


def correct(ledger: Ledger, /, **fields: Any) -> dict[str, Any]:
    return ask(ledger, "users.update_balance", **{"user_id": 1, "amount_kopeks": 500, **fields})


@pytest.mark.parametrize("key", ["", "a" * 256, "a\n", "a\x00", "\ud800", 7, None, b"k"])
def test_envelope_row_idempotency_key_unusable_is_malformed(key: object) -> None:
    with pytest.raises(Malformed) as caught:
        parse("users.update_balance", {"user_id": 1, "amount_kopeks": 5, "idempotency_key": key})
    assert caught.value.reason == "unusable_key"
    assert "idempotency_key" in str(caught.value)


def test_envelope_row_idempotency_key_is_required() -> None:
    with pytest.raises(Malformed, match="idempotency_key: Field required"):
        parse("users.update_balance", {"user_id": 1, "amount_kopeks": 5})


@pytest.mark.parametrize("key", ["a", "a" * 255, "ключ №1 / 鍵 🔑", "🔑" * 255])
def test_envelope_row_idempotency_key_is_1_to_255_printable_characters(ledger: Ledger, user: str, key: str) -> None:
    first = correct(ledger, idempotency_key=key)
    assert (first["idempotency_key"], first["status"]) == (key, "applied")
    assert correct(ledger, idempotency_key=key)["replayed"] is True


def test_envelope_row_producer_is_the_scope_of_the_key(ledger: Ledger, user: str) -> None:
    shop, bot = (correct(ledger, idempotency_key="k", producer=name) for name in ("shop", "bot"))
    assert (shop["producer"], shop["replayed"], bot["producer"], bot["replayed"]) == ("shop", False, "bot", False)
    assert shop["job_id"] != bot["job_id"]
    assert balance(ledger, user) == 1000


def test_envelope_row_producer_defaults_to_default(ledger: Ledger, user: str) -> None:
    assert correct(ledger, idempotency_key="k")["producer"] == "default"
    assert correct(ledger, idempotency_key="k", producer="default")["replayed"] is True


@pytest.mark.parametrize("producer", ["balance-worker", "", "a" * 256, None])
def test_envelope_row_producer_reserved_or_unusable_is_malformed(producer: object) -> None:
    with pytest.raises(Malformed, match="producer"):
        parse("users.update_balance", {"user_id": 1, "amount_kopeks": 5, "idempotency_key": "k", "producer": producer})


@pytest.mark.parametrize("at", ["2026-01-01", "2026-01-01T00:00:00", "yesterday", 1_767_225_600])
def test_envelope_row_occurred_at_must_be_an_rfc_3339_time(ledger: Ledger, user: str, at: object) -> None:
    document = correct(ledger, occurred_at=at)
    assert document["error"]["body"]["detail"][0]["loc"] == ["body", "occurred_at"]
    assert balance(ledger, user) == 0


def test_envelope_row_metadata_is_stored_with_the_entry(ledger: Ledger, user: str) -> None:
    metadata = {f"{number:040}": "я" * 500 for number in range(50)}
    assert correct(ledger, metadata=metadata)["status"] == "applied"
    assert entries(ledger, user)[0]["metadata"] == metadata


@pytest.mark.parametrize(
    "metadata",
    [
        {str(number): "" for number in range(51)},
        {"k" * 41: "v"},
        {"": "v"},
        {"k": "v" * 501},
        {"k": 1},
        {"k": None},
        {"k": "\x00"},
        ["k"],
        "k",
    ],
)
def test_envelope_row_metadata_past_its_limits_is_refused(ledger: Ledger, user: str, metadata: object) -> None:
    document = correct(ledger, metadata=metadata)
    assert (document["code"], document["error"]["body"]["detail"][0]["loc"][:2]) == (
        "invalid_request",
        ["body", "metadata"],
    )
    assert balance(ledger, user) == 0


def test_same_key_same_meaning_is_the_first_answer_marked_replayed(ledger: Ledger, user: str) -> None:
    asked = job("users.update_balance", user_id=1, amount_kopeks=500, idempotency_key="k")
    [first] = outcomes(ledger, [asked], Limits())
    correct(ledger)
    [again] = outcomes(ledger, [asked], Limits())
    assert again.text == first.text, "word for word, though the balance has moved on"
    assert again.document() == {**first.document(), "replayed": True}
    assert balance(ledger, user) == 1000


def test_same_key_in_one_batch_is_replayed_too(ledger: Ledger, user: str) -> None:
    asked = job("users.update_balance", user_id=1, amount_kopeks=500)
    first, second, third = settle(ledger, asked, asked, asked)
    assert second == third == {**first, "replayed": True}
    assert balance(ledger, user) == 500


def test_same_key_another_meaning_is_refused_naming_what_differs(ledger: Ledger, user: str) -> None:
    first = correct(ledger, idempotency_key="k", occurred_at="2026-01-01T00:00:00Z", metadata={"order": "1"})
    before = kept(ledger, "jobs"), events(ledger)
    second = correct(ledger, idempotency_key="k", amount_kopeks=501, create_transaction=False)
    assert (second["status"], second["code"], second["replayed"]) == ("rejected", "idempotency_conflict", False)
    assert second["job_id"] == first["job_id"]
    assert second["error"]["body"]["detail"]["fields"] == {
        "amount_kopeks": {"first": 500, "now": 501},
        "create_transaction": {"first": None, "now": False},
        "occurred_at": {"first": "2026-01-01T00:00:00Z", "now": None},
    }, "and not the note: it is no part of the meaning"
    assert (kept(ledger, "jobs"), events(ledger)) == before, "nothing applied, nothing stored"
    assert correct(ledger, idempotency_key="k", occurred_at="2026-01-01T00:00:00Z")["replayed"] is True


@pytest.mark.parametrize(
    "asked",
    [{}, {"amount_kopeks": -1}, {"amount_kopeks": "500"}],
    ids=["applied", "insufficient_funds", "invalid_request"],
)
@pytest.mark.parametrize("note", [{"trace": "2"}, {}, None])
def test_same_key_another_note_is_the_first_answer(
    ledger: Ledger, user: str, asked: dict[str, Any], note: dict[str, str] | None
) -> None:
    first = correct(ledger, idempotency_key="k", metadata={"trace": "1"}, **asked)
    assert correct(ledger, idempotency_key="k", metadata=note, **asked) == {**first, "replayed": True}
    assert correct(ledger, idempotency_key="k", **asked) == {**first, "replayed": True}
    [row] = [each for each in kept(ledger, "jobs") if each["idempotency_key"] == "k"]
    assert row["body"]["metadata"] == {"trace": "1"}, "the first note is kept, though the job wrote no entry"


def test_same_key_another_metadata_of_the_wallets_own_is_another_meaning(ledger: Ledger) -> None:
    done(ledger, "wallets.create", wallet_id="w")
    done(ledger, "wallets.update", wallet_id="w", metadata={"plan": "pro"}, idempotency_key="k")
    for plan in ({"plan": "free"}, {}):
        document = ask(ledger, "wallets.update", wallet_id="w", metadata=plan, idempotency_key="k")
        assert document["code"] == "idempotency_conflict"
        fields = document["error"]["body"]["error"]["details"]["fields"]
        assert fields == {"metadata": {"first": {"plan": "pro"}, "now": plan}}


@pytest.mark.parametrize("asked", [{}, {"amount_kopeks": -1}, {"amount_kopeks": "500"}])
def test_same_key_answered_before_notes_stood_apart_is_replayed(
    ledger: Ledger, user: str, asked: dict[str, Any]
) -> None:
    noted = {"idempotency_key": "k", "metadata": {"order": "7"}, **asked}
    first = correct(ledger, **noted)
    [row] = [each for each in kept(ledger, "jobs") if each["idempotency_key"] == "k"]
    then = fingerprint("users.update_balance", canonical(row["body"]))
    answered_as(ledger, "k", then)
    assert correct(ledger, **noted) == {**first, "replayed": True}
    assert correct(ledger, **{**noted, "amount_kopeks": 501})["code"] == "idempotency_conflict"


def test_same_key_another_job_is_refused_naming_both(ledger: Ledger, user: str) -> None:
    correct(ledger, idempotency_key="k")
    document = ask(ledger, "wallets.debit", wallet_id="w", credits=1, idempotency_key="k")
    details = document["error"]["body"]["error"]["details"]
    assert details["job"] == {"first": "users.update_balance", "now": "wallets.debit"}


def test_same_key_of_a_refused_body_and_a_valid_one_are_two_meanings(ledger: Ledger, user: str) -> None:
    assert correct(ledger, idempotency_key="k", amount_kopeks="500")["code"] == "invalid_request"
    document = correct(ledger, idempotency_key="k")
    assert document["code"] == "idempotency_conflict"
    assert document["error"]["body"]["detail"]["fields"] == {"amount_kopeks": {"first": "500", "now": 500}}
    assert balance(ledger, user) == 0


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("wallets.debit", {"credits": 10}, {"credits": "10.00", "transaction_reason": "INVOICE_PAYMENT"}),
        ("wallets.debit", {"credits": "1e1", "occurred_at": "2026-01-01T00:00:00Z"},
         {"credits": "+10.", "occurred_at": "2026-01-01T03:00:00+03:00"}),
        ("wallets.create", {}, {"conversion_rate": "1.0", "scale": 9, "config": {"allowed_price_types": ["ALL"]}}),
        ("wallets.create", {"metadata": {"a": "1", "b": "2"}}, {"metadata": {"b": "2", "a": "1"}}),
    ],
)  # fmt: skip
def test_meaning_is_normalised(ledger: Ledger, name: str, first: dict[str, Any], second: dict[str, Any]) -> None:
    ask(ledger, name, wallet_id="w", idempotency_key="k", **first)
    assert ask(ledger, name, wallet_id="w", idempotency_key="k", **second)["replayed"] is True


def test_outcome_document_of_an_applied_job(ledger: Ledger, user: str) -> None:
    document = correct(ledger, producer="shop", idempotency_key="k")
    told = OutcomeDocument.model_validate(document, strict=False)
    assert set(document) == set(OutcomeDocument.model_fields) - {"bonus_entry"}
    assert set(document["entry"]) == ENTRY_KEYS
    entry = entries(ledger, user)[0]
    assert document["entry"]["id"] == f"{entry['account_id']}-1"
    assert told.entry is not None
    assert (told.entry.created_at, told.job_id) == (entry["created_at"], entry["job_id"])
    assert document["error"] is None


def test_outcome_document_is_the_one_in_jobs(ledger: Ledger, user: str) -> None:
    [outcome] = outcomes(
        ledger, [job("users.update_balance", user_id=1, amount_kopeks=500, idempotency_key="k")], Limits()
    )
    [row] = [each for each in kept(ledger, "jobs") if each["idempotency_key"] == "k"]
    assert outcome_text(ledger, "k") == outcome.text
    assert (row["id"], row["status"], row["code"]) == (outcome.job_id, "applied", "applied")
    assert json.loads(outcome.text)["job_id"] == str(row["id"])
    assert row["body"] == {"user_id": 1, "amount_kopeks": 500}


def test_refusal_is_stored_and_replayed_though_it_would_succeed_now(ledger: Ledger) -> None:
    first = correct(ledger, idempotency_key="k")
    done(ledger, "users.upsert", user_id=1)
    assert first["code"] == "user_not_found"
    assert correct(ledger, idempotency_key="k") == {**first, "replayed": True}
    assert balance(ledger, "user:1") == 0
    assert [kind for kind, _ in events(ledger)] == ["job.rejected"], "told of once"


def test_refusal_disturbs_no_neighbour(ledger: Ledger, user: str) -> None:
    asked = [job("users.update_balance", user_id=1, amount_kopeks=amount) for amount in (5, 0, -6, -5, 7)]
    codes = [document["code"] for document in settle(ledger, *asked)]
    assert codes == ["applied", "amount_zero", "insufficient_funds", "applied", "applied"]
    assert [entry["amount"] for entry in entries(ledger, user)] == [5, -5, 7]


def test_job_ids_sort_by_time(ledger: Ledger, user: str) -> None:
    ids = [UUID(correct(ledger)["job_id"]) for _ in range(3)]
    assert (ids, {item.version for item in ids}) == (sorted(ids), {7})
