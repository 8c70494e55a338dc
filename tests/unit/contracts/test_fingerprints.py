"""Meanings and their fingerprints, one body for each job, pinned as they are.

A fingerprint is stored with a job for ever: it tells a replay from a conflict even after the body has been pruned. If
one of these changes (a renamed field, a new default, another way to write a number, a library that serialises in
another way), every publisher who repeats a job from before the upgrade is told `idempotency_conflict` instead of the
first answer. So a failure here is not mended by new numbers: the change is made in another way, or old fingerprints go
on being understood.
"""

import json
from typing import Any

import pytest

from models.contracts.catalogue import CATALOGUE
from models.contracts.message import parse
from models.contracts.wire.envelope import Apart
from models.domain.idempotency import canonical, former_fingerprints
from tests.unit.contracts.pinned import PINNED


@pytest.mark.parametrize("name", PINNED)
def test_meaning_and_fingerprint_are_as_they_always_were(name: str) -> None:
    body, meaning, digest = PINNED[name]
    job = parse(name, {"idempotency_key": "k", "producer": "p", **body})
    assert job.meaning == meaning
    assert job.fingerprint.hex() == digest


def test_every_job_is_pinned() -> None:
    assert set(PINNED) == set(CATALOGUE)


def test_of_a_refused_body_are_as_they_always_were() -> None:
    body = {"user_id": "x\x00\ud800", "amount_kopeks": 1.5, "deep": [{"ключ": [None, True, 10**40]}]}
    job = parse("users.update_balance", {"idempotency_key": "k", **body})
    assert (
        job.meaning == r'{"amount_kopeks":"1.5","deep":[{"ключ":[null,true,' + f"{10**40}" + r']}],"user_id":"x\\0?"}'
    )
    assert job.fingerprint.hex() == "f2e9762cb4aa2e74eb0e77c8b92e692047b96602ca783fafc193b2ce8f26e5ff"


@pytest.mark.parametrize("identity", [{"idempotency_key": "other"}, {"idempotency_key": "k", "producer": "other"}])
def test_key_and_producer_are_no_part_of_the_meaning(identity: dict[str, str]) -> None:
    first = parse("wallets.terminate", {"idempotency_key": "k", "wallet_id": "w"})
    assert parse("wallets.terminate", {**identity, "wallet_id": "w"}).fingerprint == first.fingerprint


def test_the_name_is() -> None:
    bodies = {"idempotency_key": "k", "wallet_id": "w"}
    prints = {parse(name, bodies).fingerprint for name in ("wallets.create", "wallets.update", "wallets.terminate")}
    assert len(prints) == 3


# --- the note -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_note_is_no_part_of_the_meaning_where_it_is_the_envelopes(name: str) -> None:
    note = CATALOGUE[name].model_fields["metadata"]
    bodies = [{"idempotency_key": "k", **PINNED[name][0], "metadata": {"trace": trace}} for trace in "ab"]
    first, second = (parse(name, body) for body in bodies)
    assert (first.fingerprint == second.fingerprint) is (Apart.NOTE in note.metadata)
    assert first.metadata == {"trace": "a"}


def test_only_a_wallets_own_metadata_is_asked_for() -> None:
    assert [name for name, contract in CATALOGUE.items() if "metadata" not in contract.apart()] == ["wallets.update"]


@pytest.mark.parametrize("note", [{"trace": "2"}, {}, None, "no object", {"k": 10**5000}])
def test_of_a_refused_body_it_is_none_either(note: object) -> None:
    body = {"idempotency_key": "k", "user_id": 1, "amount_kopeks": "5"}
    first = parse("users.update_balance", {**body, "metadata": {"trace": "1"}})
    for again in ({**body, "metadata": note}, body):
        assert parse("users.update_balance", again).fingerprint == first.fingerprint


# --- what earlier versions stored -----------------------------------------------------------------------------------

TOP_UP: dict[str, Any] = {"wallet_id": "w_1", "credits_to_add": 5, "transaction_reason": "FREE_CREDIT_GRANT"}
DATED: dict[str, Any] = {**TOP_UP, "expiry_date_utc": "2099-12-31"}
WRONG: dict[str, Any] = {"user_id": 1, "amount_kopeks": "5"}
FORMER: list[tuple[str, dict[str, Any], str]] = [
    # job, body, the fingerprint under which the version before notes stood apart stored it
    ("wallets.create", PINNED["wallets.create"][0], "47f04ac70a6d051e7efda998b60712774cb86ead8b4bbbc05c7fa54396051801"),
    (
        "users.update_balance",
        PINNED["users.update_balance"][0],
        "4a394315bd15701ca97e3387fcd357861a4ae8e8cd8e19a05e692a440c04429c",
    ),
    ("wallets.top_up", DATED, "4bc2a918a926c44b88695b5d1c5fc84546956539a07fc45fb268be296cf1c8ed"),
    (
        "wallets.top_up",
        {**DATED, "metadata": {"trace": "1"}},
        "cb8a10acaeac44a0d634614f92eb0d18bc9a37f97cb7d6d6b3eb7ecc3f887f2f",
    ),
    (
        "users.update_balance",
        {**WRONG, "metadata": {"trace": "1"}},
        "2a4ba875037aa7295c0250b5f1bddcf2dbf4d288f2e3cef84f266ff6d6d5a4a9",
    ),
    (
        "users.update_balance",
        {**WRONG, "metadata": None},
        "188bf97a4206743d549bab2b40f2d955cf33e3a53a7befc05d37e7e925c8eabf",
    ),
    (
        "users.update_balance",
        {"user_id": 1, "amount_kopeks": 5, "metadata": ["a\x00"]},
        "401c81b5af35936d11b76742cdbcc1dc92e0a4132fa29d1423dfb67e67bf894e",
    ),
]


def former(name: str, body: dict[str, Any], **written: Any) -> set[str]:
    """The former fingerprints of a job; `written`: how its meaning says a field."""
    job = parse(name, {"idempotency_key": "k", **body})
    meaning = canonical({**json.loads(job.meaning), **written})
    return {digest.hex() for digest in former_fingerprints(name, meaning, job.metadata)}


@pytest.mark.parametrize(("name", "body", "digest"), FORMER)
def test_what_an_earlier_version_answered_is_still_known(name: str, body: dict[str, Any], digest: str) -> None:
    # A date stays a date in the meaning; here it is put there, for whatever way the contract writes it.
    dates = {field: body[field] for field in ("expiry_date_utc",) if field in body}
    assert digest in former(name, body, **dates)


def test_another_note_was_another_meaning_then() -> None:
    name, body, digest = FORMER[1]
    assert digest not in former(name, {**body, "metadata": {"order": "8"}})
    assert digest not in former(name, {**body, "amount_kopeks": -501})


def test_leaving_a_wallets_metadata_as_it_is_never_meant_clearing_it() -> None:
    cleared = parse("wallets.update", {"idempotency_key": "k", "wallet_id": "w", "metadata": {}})
    assert cleared.fingerprint.hex() not in former("wallets.update", {"wallet_id": "w"})
    assert former("wallets.update", {"wallet_id": "w", "metadata": {}}) == {cleared.fingerprint.hex()}


@pytest.mark.parametrize("value", ["2099-12-31T00:00:00Z", "20991231", "2099-12-31\n", 5, None])
def test_only_a_date_was_written_as_its_first_moment(value: object) -> None:
    assert len(former("wallets.top_up", TOP_UP, expiry_date_utc=value)) == 1
    assert len(former("wallets.top_up", TOP_UP, expiry_date_utc="2099-12-31")) == 2
