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

PINNED: dict[str, tuple[dict[str, Any], str, str]] = {
    # job: the body, its meaning, SHA-256 of name and meaning
    "wallets.create": (
        {
            "wallet_id": "w_1",
            "customer_id": "c",
            "name": "Main",
            "currency": "eur",
            "wallet_type": "PROMOTIONAL",
            "conversion_rate": "0.50",
            "scale": 4,
            "floor": "-1.0",
            "config": {"allowed_price_types": ["USAGE"]},
            "auto_topup_trigger": "balance_below_threshold",
            "auto_topup_min_balance": "10",
            "auto_topup_amount": "1e2",
            "metadata": {"b": "2", "a": "1"},
        },
        '{"auto_topup_amount":"100","auto_topup_min_balance":"10","auto_topup_trigger":"balance_below_th'
        'reshold","config":{"allowed_price_types":["USAGE"]},"conversion_rate":"0.5","currency":"EUR","c'
        'ustomer_id":"c","floor":"-1","name":"Main","scale":4,"wallet_id":"w_1","wallet_type":"PROMOTION'
        'AL"}',
        "9aa179fdf72303432bda403c855199c8861133a1f0c160d513937864d8899fc1",
    ),
    "wallets.update": (
        {
            "wallet_id": "w_1",
            "name": "Other",
            "wallet_status": "frozen",
            "config": {"allowed_price_types": ["ALL"]},
            "auto_topup_amount": "0.5",
        },
        '{"auto_topup_amount":"0.5","config":{},"name":"Other","wallet_id":"w_1","wallet_status":"frozen"}',
        "cf60bb766c5ebe3431112b659d87eca4bff8d59f381be8e1b24f8149fcfd4674",
    ),
    "wallets.top_up": (
        {
            "wallet_id": "w_1",
            "credits_to_add": "12.50",
            "amount": "0",
            "transaction_reason": "PURCHASED_CREDIT_DIRECT",
            "expiry_date_utc": "2030-01-31",
            "priority": 3,
            "description": "Бонус",
            "occurred_at": "2026-01-01T03:00:00.5+03:00",
        },
        '{"amount":"0","credits_to_add":"12.5","description":"Бонус","expiry_date_utc":"2030-01-31","occ'
        'urred_at":"2026-01-01T00:00:00.500000Z","priority":3,"transaction_reason":"PURCHASED_CREDIT_DIR'
        'ECT","wallet_id":"w_1"}',
        "e21046475669c7820152764b2c7f40c2867c46fb3726799dcd1a856d5e54bfcb",
    ),
    "wallets.debit": (
        {"wallet_id": "w_1", "amount": "0.0000001", "transaction_reason": "INVOICE_PAYMENT"},
        '{"amount":"1E-7","wallet_id":"w_1"}',
        "225fd3cec92e72b7db8666816a80c34f77b261b1d926013f46045bb885fb9470",
    ),
    "wallets.hold": (
        {"wallet_id": "w_1", "credits": "8.0", "expires_in_s": 60.0, "price_type": "USAGE"},
        '{"credits":"8","expires_in_s":60,"price_type":"USAGE","wallet_id":"w_1"}',
        "fae1453d5925f0a7ac6b3f8080b0d5a4d5ba80f650badf01706b3825db1ad7ed",
    ),
    "holds.capture": (
        {"job_id": "01A1FC91-69B2-7000-86FB-9F8528CDC254", "amount": "2.50", "final": False},
        '{"amount":"2.5","final":false,"job_id":"01a1fc91-69b2-7000-86fb-9f8528cdc254"}',
        "6c76d5af39a6b765d37f8258a03a61ce0d618c6a0a7bcdfd6cdd96e8b94dae4a",
    ),
    "holds.release": (
        {"job_id": "01A1FC91-69B2-7000-86FB-9F8528CDC254", "description": ""},
        '{"job_id":"01a1fc91-69b2-7000-86fb-9f8528cdc254"}',
        "53b49e782aa8e21afad3c68f42455cb2e603ccb3d453bb0f382cbfa9d03d5e15",
    ),
    "grants.void": (
        {"wallet_id": "w_1", "job_id": "01A1FC91-69B2-7000-86FB-9F8528CDC254", "reason": "r", "operator": "o"},
        '{"job_id":"01a1fc91-69b2-7000-86fb-9f8528cdc254","operator":"o","reason":"r","wallet_id":"w_1"}',
        "c98bddcbbd1b42f5442a0e524f4625cbbc65dc2df682d4d2d0ba30954043420c",
    ),
    "wallets.terminate": (
        {"wallet_id": "w_1", "description": "bye"},
        '{"description":"bye","wallet_id":"w_1"}',
        "52069318eadfb6f36c4cd6acba8c2aab90f472a14f124f6fac95bd0d581d305c",
    ),
    "users.upsert": (
        {
            "user_id": 1,
            "telegram_id": 77,
            "username": None,
            "status": "blocked",
            "last_activity": "2026-01-01T00:00:00Z",
            "promo_group": {"id": 1, "name": "VIP", "server_discount_percent": 10},
            "subscription": {"id": 2, "status": "trial", "end_date": "2026-02-01T00:00:00Z", "connected_squads": ["a"]},
            "floor_kopeks": -100,
        },
        '{"floor_kopeks":-100,"last_activity":"2026-01-01T00:00:00Z","promo_group":{"id":1,"name":"VIP",'
        '"server_discount_percent":10},"status":"blocked","subscription":{"connected_squads":["a"],"end_'
        'date":"2026-02-01T00:00:00Z","id":2,"status":"trial"},"telegram_id":77,"user_id":1,"username":n'
        "ull}",
        "fe2feda7515f2f919807b349cf78fdf25629a1233dc28c15e1e2effb408c03f3",
    ),
    "users.update_balance": (
        {
            "user_id": 1,
            "amount_kopeks": -500,
            "description": "Возврат",
            "create_transaction": False,
            "metadata": {"order": "7"},
        },
        '{"amount_kopeks":-500,"create_transaction":false,"description":"Возврат","user_id":1}',
        "906391c55f0af82985a213bb87fbe78496205b827d05bcf82542e7dc2fcd5399",
    ),
    "apps.upsert": (
        {"app_id": "calc", "store_id": 7, "decrease_only": True},
        '{"app_id":"calc","decrease_only":true,"store_id":"7"}',
        "a8945d5bedf845908cea2abf65fd7b5635e82fd7d683988bc9722b665e3c9fcc",
    ),
    "apps.update_balance": (
        {"app_id": "calc", "store_id": 7, "balance": 2399, "occurred_at": "2026-01-01T00:00:00Z"},
        '{"app_id":"calc","balance":2399,"occurred_at":"2026-01-01T00:00:00Z","store_id":"7"}',
        "7fbaeeea7bf6999cb347b61e7eafe6369602b53896b5a3e6b3f611f444c94296",
    ),
    "entries.reverse": (
        {"job_id": "01A1FC91-69B2-7000-86FB-9F8528CDC254", "force": True},
        '{"force":true,"job_id":"01a1fc91-69b2-7000-86fb-9f8528cdc254"}',
        "0510714cc6168155bae18bbafe11912018d850f0cf64b23a13df73ce520340ca",
    ),
    "auto_topup.set_policy": (
        {
            "account": "wallet:w_1",
            "trigger": "balance_below_threshold",
            "threshold": "10.0",
            "target_balance": 50,
            "timezone": "Europe/Riga",
            "min_charge": 1,
            "max_charge": "100",
            "monthly_cap": "1e3",
            "cooldown_s": 60,
            "max_declines": 3,
            "provider": "stripe",
            "payer": "cus_1",
            "payment_method": "pm_1",
        },
        '{"account":"wallet:w_1","cooldown_s":60,"max_charge":"100","max_declines":3,"min_charge":"'
        '1","monthly_cap":"1000","payer":"cus_1","payment_method":"pm_1","provider":"stripe","targe'
        't_balance":"50","threshold":"10","timezone":"Europe/Riga","trigger":"balance_below_thresho'
        'ld"}',
        "69d7a46ff79534012e06c85ed4c9914775891265ce35e46223a6f57052bf2dd5",
    ),
    "auto_topup.resume": (
        {
            "account": "wallet:w_1",
        },
        '{"account":"wallet:w_1"}',
        "680deeaae4155b62ba92be1c9fe0e2e2e68be35ec82b91017c624fc702b43ada",
    ),
    "auto_topup.run_now": (
        {
            "account": "user:42",
        },
        '{"account":"user:42"}',
        "0a1908d7ba43913f144d3a595f221203391d803c69aa373d924f360cb9afc067",
    ),
    "auto_topup.cancel": (
        {
            "account": "wallet:w_1",
        },
        '{"account":"wallet:w_1"}',
        "f25946b3124232a86f13567edfbe43ad75edbe371698a7b094de26f67eb49cfa",
    ),
    "charges.settle": (
        {
            "charge_id": "0193A5C2-7b1e-7c42-8a52-3f0d6f1f9b13",
            "status": "needs_action",
            "reference": "pi_1",
            "code": "authentication_required",
            "link": "https://pay.example/1",
        },
        '{"charge_id":"0193a5c2-7b1e-7c42-8a52-3f0d6f1f9b13","code":"authentication_required","link'
        '":"https://pay.example/1","reference":"pi_1","status":"needs_action"}',
        "482e1b8e2493090df2efbd725dd5cd3e971de3ddf1de836fc4dccd5404253431",
    ),
}


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
