"""The ledger's one move, and the chain that it makes."""

from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from models.domain.accounts import AccountKey, Kind
from models.domain.credits.grants import Grant
from models.domain.credits.holds import Hold, HoldChange, HoldPart, HoldVerb
from models.domain.ledger import (
    Entry,
    EntryDetails,
    EntryKind,
    Proof,
    entry_hash,
    fits,
    made_by,
    passes_floor,
    post,
    seal,
)
from models.domain.money import UNITS_MAX
from tests.support.builders import NOW, user_account

DETAILS = EntryDetails(
    kind=EntryKind.DEPOSIT,
    job_id=UUID(int=1),
    at=NOW,
    reason="PURCHASED_CREDIT_DIRECT",
    description="Пополнение",
    metadata={"a": "1", "b": "2"},
    grant_id=UUID(int=2),
    draws=((UUID(int=3), 4),),
    reverses=1,
)
KEY = AccountKey(Kind.USER, "7")


def test_post_numbers_and_sums_and_seal_chains() -> None:
    account, head = user_account(), b""
    posted: list[Entry] = []
    for amount in (100, -30, 5):
        account, entry = post(account, amount, replace(DETAILS, at=NOW + timedelta(seconds=len(posted))))
        sealed = seal(entry, head, Proof(b"job"))
        head = sealed.hash
        posted.append(sealed)
    assert [entry.seq for entry in posted] == [1, 2, 3]
    assert [(entry.balance_before, entry.balance_after) for entry in posted] == [(0, 100), (100, 70), (70, 75)]
    assert [entry.prev_hash for entry in posted] == [b"", posted[0].hash, posted[1].hash]
    assert (account.seq, account.balance) == (3, 75)
    assert account.updated_at == NOW + timedelta(seconds=2)
    assert len({entry.hash for entry in posted}) == 3
    assert posted[2].id == "1-3"


def test_hash_is_pinned() -> None:
    # Version 1 of the form: if this test fails, every ledger written before would be called tampered with.
    digest = entry_hash(b"\x01" * 32, KEY, 5, 100, 400, DETAILS)
    assert digest.hex() == "eeb3f1bac63f53d93d9aa1179dc723af55bcc6ca7d71bafc00ab77a9d7825b2d"
    bare = entry_hash(b"", KEY, 1, -1, -1, EntryDetails(EntryKind.WITHDRAWAL, UUID(int=9), NOW))
    assert bare.hex() == "13f2f21e9911e9e4880c166a7fdf8ff7422e870bed0a8ea5c5986f8334b69f0b"


def test_hash_of_an_entry_that_says_more_is_pinned() -> None:
    # Version 2 of the form, for what version 1 has no words for.
    part = HoldPart(UUID(int=3), 4, -4)
    holds = (HoldChange(UUID(int=4), HoldVerb.HOLD, 9, (part,)), HoldChange(UUID(int=5), HoldVerb.RELEASE, 1))
    more = replace(DETAILS, paid=((UUID(int=3), 7),), holds=holds, part=1)
    digest = entry_hash(b"\x01" * 32, KEY, 5, 100, 400, more)
    assert digest.hex() == "895ea72e9ef598f35e0833a9c9c38bbe4ad0a41d399492b8d99e73d5ed57fc1a"


TERMS = Grant(UUID(int=2), 100, 90, 1, NOW, NOW)
RESERVED = Hold(UUID(int=4), 9, 9, 0, (), NOW, NOW)
MAKES = replace(DETAILS, kind=EntryKind.CREDIT, holds=(HoldChange(UUID(int=4), HoldVerb.HOLD, 9),))


def proof(grant: Grant = TERMS, hold: Hold = RESERVED, job: bytes = b"\x02" * 32) -> Proof:
    return Proof(job, made_by(MAKES, [grant], [hold]))


def test_hash_of_an_entry_with_its_job_is_pinned() -> None:
    # Version 3 of the form: with the job that wrote it, and the terms of what it made.
    digest = entry_hash(b"\x01" * 32, KEY, 5, 100, 400, DETAILS, Proof(b"\x02" * 32))
    assert digest.hex() == "c75909a05b60107f0674bb6a29032569750a57b852f2e21ba41f29ae0896f07d"
    digest = entry_hash(b"\x01" * 32, KEY, 5, 100, 400, MAKES, proof())
    assert digest.hex() == "d2883c8015ecf5095e6668d1c4fc56d9d6a5411b09cf1d4a15de0c833d7f7006"


@pytest.mark.parametrize(
    "other",
    [
        proof(job=b"\x03" * 32),
        proof(replace(TERMS, amount=101)),
        proof(replace(TERMS, priority=2)),
        proof(replace(TERMS, expires_at=NOW + timedelta(microseconds=1))),
        proof(replace(TERMS, effective_at=NOW)),
        proof(replace(TERMS, created_at=NOW - timedelta(microseconds=1))),
        proof(replace(TERMS, id=UUID(int=9))),
        proof(hold=replace(RESERVED, amount=10)),
        proof(hold=replace(RESERVED, expires_at=NOW + timedelta(microseconds=1))),
        proof(hold=replace(RESERVED, created_at=NOW + timedelta(microseconds=1))),
        None,
    ],
)
def test_hash_covers_the_job_and_the_terms_of_what_the_entry_made(other: Proof | None) -> None:
    assert entry_hash(b"", KEY, 5, 100, 400, MAKES, other) != entry_hash(b"", KEY, 5, 100, 400, MAKES, proof())


def test_hash_covers_no_state_of_a_grant_that_later_entries_change() -> None:
    drawn = proof(replace(TERMS, remaining=1, held=2, expired=3, voided=4, reversed=5, pending=True, voided_at=NOW))
    assert entry_hash(b"", KEY, 5, 100, 400, MAKES, drawn) == entry_hash(b"", KEY, 5, 100, 400, MAKES, proof())


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("kind", {"kind": EntryKind.CREDIT}),
    ("job", {"job_id": UUID(int=9)}),
    ("time, by a microsecond", {"at": NOW + timedelta(microseconds=1)}),
    ("reason", {"reason": None}),
    ("description", {"description": "пополнение"}),
    ("metadata value", {"metadata": {"a": "1", "b": "3"}}),
    ("metadata key", {"metadata": {"a": "1", "c": "2"}}),
    ("no metadata", {"metadata": None}),
    ("listed", {"listed": False}),
    ("grant", {"grant_id": None}),
    ("draws", {"draws": ((UUID(int=3), 5),)}),
    ("reverses", {"reverses": 2}),
    ("what paid a debt", {"paid": ((UUID(int=3), 5),)}),
    ("a hold", {"holds": (HoldChange(UUID(int=4), HoldVerb.HOLD, 9),)}),
    ("which of a job's entries it is", {"part": 1}),
]


@pytest.mark.parametrize("change", [case[1] for case in CHANGES], ids=[case[0] for case in CHANGES])
def test_hash_covers_all_that_the_entry_says(change: dict[str, Any]) -> None:
    assert entry_hash(b"", KEY, 5, 100, 400, replace(DETAILS, **change)) != entry_hash(b"", KEY, 5, 100, 400, DETAILS)


@pytest.mark.parametrize(
    "other",
    [
        (b"x", KEY, 5, 100, 400),
        (b"", AccountKey(Kind.USER, "8"), 5, 100, 400),
        (b"", AccountKey(Kind.WALLET, "7"), 5, 100, 400),
        (b"", KEY, 6, 100, 400),
        (b"", KEY, 5, 101, 400),
        (b"", KEY, 5, 100, 401),
    ],
)
def test_hash_covers_place_and_amounts(other: tuple[bytes, AccountKey, int, int, int]) -> None:
    assert entry_hash(*other, DETAILS) != entry_hash(b"", KEY, 5, 100, 400, DETAILS)


def test_hash_does_not_depend_on_the_order_of_metadata_nor_on_the_zone_of_the_time() -> None:
    again = replace(DETAILS, metadata={"b": "2", "a": "1"}, at=NOW.astimezone(timezone(timedelta(hours=3))))
    assert entry_hash(b"", KEY, 5, 100, 400, again) == entry_hash(b"", KEY, 5, 100, 400, DETAILS)


@pytest.mark.parametrize(
    ("balance", "amount", "expected"),
    [
        (0, UNITS_MAX, True),
        (0, -UNITS_MAX, True),
        (1, UNITS_MAX, False),
        (-1, -UNITS_MAX, False),
        (UNITS_MAX, -UNITS_MAX, True),
        (-UNITS_MAX, UNITS_MAX, True),
        (-1, UNITS_MAX + 1, False),  # the balance would fit, but no entry holds the amount
    ],
)
def test_fits(balance: int, amount: int, expected: bool) -> None:
    assert fits(user_account(balance=balance), amount) is expected


@pytest.mark.parametrize(
    ("balance", "floor", "amount", "expected"),
    [
        (10, 0, -10, False),
        (10, 0, -11, True),
        (10, -5, -15, False),
        (10, -5, -16, True),
        (10, None, -(10**18), False),
    ],
)
def test_passes_floor(balance: int, floor: int | None, amount: int, expected: bool) -> None:
    assert passes_floor(replace(user_account(balance=balance), floor=floor), amount) is expected


def test_what_is_held_changes_by_what_an_entry_does_to_holds() -> None:
    changes = [(HoldVerb.HOLD, 9), (HoldVerb.CAPTURE, 3), (HoldVerb.RELEASE, 2), (HoldVerb.UNBACK, 0)]
    holds = tuple(HoldChange(UUID(int=number), verb, units) for number, (verb, units) in enumerate(changes))
    assert (DETAILS.held, replace(DETAILS, holds=holds).held) == (0, 4)
