"""Which bucket a job's id carries: its account's, and of one without an account that of what it names."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain.accounts import AccountKey, Kind
from models.domain.ids import uuid7
from models.domain.outcome import Code, Refusal
from models.domain.sharding.buckets import BUCKETS, bucket_of, in_bucket
from models.domain.sharding.place import (
    bucket_named,
    bucket_of_account,
    bucket_of_job,
    bucket_of_key,
    bucket_of_telegram,
)
from models.domain.sharding.shard import Shard
from tests.support.builders import job, wallet_account
from tests.unit.domain.test_ids import AT

NAMED: Final = uuid7(AT, 0, in_bucket(2**62 - 1, 777))


@given(st.sampled_from(Kind), st.text(max_size=20))
def test_an_account_is_in_the_bucket_of_its_name(kind: Kind, ref: str) -> None:
    key = AccountKey(kind, ref)
    assert bucket_of_account(key) == bucket_of(str(key))


@pytest.mark.parametrize(
    ("name", "fields", "bucket"),
    [
        ("wallets.debit", {"wallet_id": "w", "credits": 1}, bucket_of("wallet:w")),
        ("users.update_balance", {"user_id": 42, "amount_kopeks": 1}, bucket_of("user:42")),
        ("users.update_balance", {"telegram_id": 5000, "amount_kopeks": 1}, bucket_of_telegram(5000)),
        ("entries.reverse", {"job_id": str(NAMED)}, 777),
        ("holds.capture", {"job_id": str(NAMED)}, 777),
        ("charges.settle", {"charge_id": str(NAMED), "status": "declined"}, 777),
        ("webhooks.remove", {"endpoint_id": str(NAMED)}, 777),
        ("webhooks.add", {"name": "n", "url": "https://e.example", "types": ["wallet.updated"]}, None),
    ],
)
def test_a_job_says_which_bucket_it_is_in(name: str, fields: dict[str, object], bucket: int | None) -> None:
    asked = job(name, **fields)
    assert not isinstance(asked.command, Refusal), asked.command
    assert bucket_named(asked) == (bucket_of_key(asked.producer, asked.key) if bucket is None else bucket)


def test_one_that_says_nothing_to_be_understood_is_in_its_keys() -> None:
    asked = job("wallets.debit", wallet_id="w", credits=1)
    refused = replace(asked, command=Refusal(Code.INVALID_REQUEST, "no"))
    assert bucket_named(refused) == bucket_of_key(asked.producer, asked.key)
    assert bucket_of_key("a", "b") != bucket_of_key("a\0", "b")


@given(st.integers(0, 255), st.integers(0, BUCKETS - 1))
def test_in_a_shard_the_id_of_a_job_about_nobody_says_that_shard(number: int, named: int) -> None:
    shard = Shard(number, 256)
    asked = job("entries.reverse", job_id=str(uuid7(AT, 0, in_bucket(0, named))))
    found = bucket_of_job(asked, None, shard)
    assert shard.has(found)
    assert 0 <= found < BUCKETS
    assert found == named or not shard.has(named)
    assert bucket_of_job(asked, None, None) == named


def test_the_account_that_was_found_decides() -> None:
    asked = job("entries.reverse", job_id=str(NAMED))
    account = wallet_account()
    assert bucket_of_job(asked, account, None) == bucket_of(str(account.key))
