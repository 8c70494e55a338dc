"""What the chains cover beside the entries: forms that never change, and terms that are all there is to decide."""

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from models.domain.accounts import App, Kind, User, Wallet, WalletStatus
from models.domain.charging.policies import Policy, TopUpTrigger
from models.domain.deciding.commands import Job
from models.domain.events import BITS, EventType, bits
from models.domain.evidence.chains import Record, RecordKind, changes, job_digest, record_hash, terms
from models.domain.ledger import EntryDetails, EntryKind, post
from models.domain.outcome import Code, Refusal, Status
from tests.support.builders import NOW, user_account, wallet_account

JOB = Job(
    "users.update_balance",
    "billing",
    "ключ-1",
    "{}",
    b"\x05" * 32,
    None,
    {},
    Refusal(Code.AMOUNT_ZERO, ""),
    UUID(int=7),
)
RECORD = Record(RecordKind.JOB, '{"floor":[0,5]}', UUID(int=7), b"\x06" * 32, 3, 2, 4)


def digest(job: Job = JOB, **other: Any) -> bytes:
    said: dict[str, Any] = {
        "account_id": 3, "status": Status.APPLIED, "code": Code.APPLIED, "events": 5, "outcome": "{}",
        "settled_at": NOW,
    }  # fmt: skip
    return job_digest(job, **{**said, **other})


def test_the_digest_of_a_job_is_pinned() -> None:
    # If this test fails, every entry written before would be called tampered with.
    assert digest().hex() == "518c5c12404dfb03dd906c04ff77c4b959aaea4c8753ad8fb10c61d8f4661174"


def test_the_hash_of_a_record_is_pinned() -> None:
    assert record_hash(b"\x01" * 32, 16, 9, RECORD).hex() == (
        "8a39492662280e9b5728976df2447f07125e5bbaa18299b41a4f4c077e25ef68"
    )
    bare = Record(RecordKind.PRUNED, "{}")
    assert record_hash(b"", 1, 1, bare).hex() == "ea13c55409a40f9b3ac38e9638f2466f61ab7ad8bd80af61085a54e241119cd3"


@pytest.mark.parametrize(
    "other",
    [
        {"job": replace(JOB, id=UUID(int=8))},
        {"job": replace(JOB, producer="other")},
        {"job": replace(JOB, key="ключ-2")},
        {"job": replace(JOB, name="users.upsert")},
        {"job": replace(JOB, fingerprint=b"\x06" * 32)},
        {"job": replace(JOB, producer="billing 7", key="ключ-1"[2:])},
        {"account_id": None},
        {"status": Status.REJECTED},
        {"code": Code.UNCHANGED},
        {"events": 4},
        {"outcome": "{} "},
        {"settled_at": NOW + timedelta(microseconds=1)},
    ],
)
def test_the_digest_covers_all_of_a_job(other: dict[str, Any]) -> None:
    assert digest(**other) != digest()


@pytest.mark.parametrize(
    "other",
    [
        {"kind": RecordKind.OPENING}, {"content": "{}"}, {"job_id": None}, {"digest": None}, {"account_id": 4},
        {"number": 3}, {"after": 5},
    ],
)  # fmt: skip
def test_the_hash_covers_all_of_a_record(other: dict[str, Any]) -> None:
    same = record_hash(b"", 1, 2, RECORD)
    assert record_hash(b"", 1, 2, replace(RECORD, **other)) != same
    assert (
        len({same, record_hash(b"x", 1, 2, RECORD), record_hash(b"", 2, 2, RECORD), record_hash(b"", 1, 3, RECORD)})
        == 4
    )


def test_every_event_of_a_job_has_a_bit_that_no_other_of_that_job_has() -> None:
    assert set(BITS) == set(EventType) - {EventType.DEAD_LETTER_PARKED}
    alone = {EventType.GRANT_WILL_EXPIRE, EventType.GRANT_EXPIRED, EventType.WEBHOOK_DISABLED}  # by jobs of their own
    assert {BITS[event] for event in alone} == {8192}
    others = set(BITS) - alone
    assert bits(others) + 8192 == sum(set(BITS.values())) == 2**15 - 1, "what the column can hold"
    assert len({BITS[event] for event in others}) == len(others)


SAID_ELSEWHERE = {
    User: {"username", "first_name", "last_name", "language", "referral_code", "referred_by_id", "last_activity",
           "has_had_paid_subscription", "has_made_first_topup", "promo_group", "subscription"},
    Wallet: {"name", "description", "metadata"},
    App: set[str](),
}  # fmt: skip


@pytest.mark.parametrize(("profile", "account"), [(User, user_account()), (Wallet, wallet_account())])
def test_a_field_of_an_account_is_a_term_or_is_known_to_decide_nothing(profile: type[Any], account: Any) -> None:
    missing = {field.name for field in fields(profile)} - set(terms(account))
    assert missing == SAID_ELSEWHERE[profile], "what decides is to be in the records"


def test_what_an_entry_says_is_no_change_of_terms() -> None:
    before = user_account()
    after, entry = post(before, 5, EntryDetails(EntryKind.DEPOSIT, UUID(int=1), NOW + timedelta(seconds=1)))
    assert changes(before, after, entry) == {}
    assert changes(before, replace(after, floor=-5), entry) == {"floor": [0, -5]}


def test_changes_say_what_was_and_what_is() -> None:
    before = wallet_account()
    assert isinstance(before.profile, Wallet)
    frozen = replace(before.profile, status=WalletStatus.FROZEN)
    agreed = Policy(TopUpTrigger.INTERVAL, next_at=NOW)
    after = replace(before, profile=frozen, policy=agreed, updated_at=NOW)
    told = {name: change for name, change in changes(before, after, None).items() if change != [None, None]}
    assert told == {
        "status": ["active", "frozen"],
        "trigger": ["disabled", "interval"],
        "next_at": [None, "2030-01-01T12:00:00.000000+00:00"],
    }
    made = changes(None, before, None)
    assert made["account"] == [None, f"{Kind.WALLET.value}:w"]
    assert set(made) == set(terms(before))
