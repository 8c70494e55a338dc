"""Who may publish what: BALANCE_PRODUCERS read, refused in sentences, and held against messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.contracts.catalogue import CATALOGUE
from models.contracts.message import Malformed
from models.contracts.wire.signature import SIGNATURE, SIGNED_AT, Signed, sign
from models.domain.deciding.commands import SYSTEM_PRODUCER
from models.domain.deciding.decision import Limits
from worker.brokers.own_client import UnknownProducer, reverser_of
from worker.clock import now
from worker.publishers.producers import Producers, producers_in
from worker.runtime import limits_of
from worker.settings.settings import Settings, SettingsError, load_settings
from worker.settings.texts import PREFIX

ONE, TWO = "a-secret-" + "1" * 32, "a-secret-" + "2" * 32
GIVEN = {
    "billing": {"secrets": [ONE, TWO], "jobs": ["wallets.top_up"]},
    "support": {"secrets": ["s" * 32], "jobs": ["*"]},
}
SHAPE = 'must be an object with "secrets" and "jobs", perhaps "reverses" and "follow_ups", and nothing else'
BODY = b'[[], {"producer": "billing"}, {}]'


def admitted(producers: Producers, headers: dict[str, Any], *, task: str = "wallets.top_up", **kwargs: Any) -> str:
    """The reason of the refusal; empty when the message is let in."""
    try:
        producers.admit(task, {"producer": "billing", **kwargs}, headers, BODY)
    except Malformed as refused:
        return refused.reason
    return ""


def signed(secret: str, signed_at: Any = None, task: str = "wallets.top_up") -> dict[str, Any]:
    moment = {} if signed_at is None else {SIGNED_AT: signed_at}
    return {**moment, SIGNATURE: sign(secret, Signed(task, BODY, signed_at))}


@pytest.fixture
def producers() -> Producers:
    return producers_in(json.dumps(GIVEN))


def test_each_of_two_secrets_signs_what_the_producer_may_publish(producers: Producers) -> None:
    assert admitted(producers, signed(ONE)) == ""
    assert admitted(producers, signed(TWO, 1_790_000_000)) == ""


@pytest.mark.parametrize(
    ("headers", "kwargs", "reason"),
    [
        ({}, {}, "unsigned"),
        ({SIGNATURE: None}, {}, "unsigned"),
        ({SIGNATURE: "0" * 64}, {}, "bad_signature"),
        ({SIGNATURE: 7}, {}, "bad_signature"),
        (signed("s" * 32), {}, "bad_signature"),
        ({**signed(ONE, 7), SIGNED_AT: 8}, {}, "bad_signature"),
        ({**signed(ONE, 1), SIGNED_AT: True}, {}, "bad_signature"),
        ({**signed(ONE, 7), SIGNED_AT: "7"}, {}, "bad_signature"),
        (signed(ONE, task="wallets.debit"), {"task": "wallets.debit"}, "not_allowed"),
        (signed(ONE), {"task": "wallets.debit"}, "bad_signature"),
        (signed(ONE), {"producer": "nobody"}, "unknown_producer"),
        (signed(ONE), {"producer": ["billing"]}, "unknown_producer"),
        (signed(ONE), {"producer": "support"}, "bad_signature"),
    ],
)
def test_everything_else_is_refused(
    producers: Producers, headers: dict[str, Any], kwargs: dict[str, Any], reason: str
) -> None:
    assert admitted(producers, headers, **kwargs) == reason


def test_a_job_without_a_producer_is_that_of_default(producers: Producers) -> None:
    with pytest.raises(Malformed, match="no producer 'default'"):
        producers.admit("wallets.top_up", {}, signed(ONE), BODY)


def test_an_old_signature_is_refused_only_where_an_age_is_set() -> None:
    moment = int(now().timestamp())
    ageless, strict = producers_in(json.dumps(GIVEN)), producers_in(json.dumps(GIVEN), max_age_s=600)
    assert admitted(ageless, signed(ONE, moment - 10**8)) == ""
    assert admitted(strict, signed(ONE, moment - 10)) == ""
    assert admitted(strict, signed(ONE, moment - 1000)) == "stale"
    assert admitted(strict, signed(ONE, moment + 1000)) == "stale"
    assert admitted(strict, signed(ONE)) == "stale"


def test_a_star_is_every_job(producers: Producers) -> None:
    assert producers.by_name["support"].jobs == set(CATALOGUE)


def limits(**reverses: list[str]) -> Limits:
    """What decisions go by where the producers are those of GIVEN, and shop; with whose jobs they may reverse."""
    given = {**GIVEN, "shop": {"secrets": ["t" * 32], "jobs": ["entries.reverse"]}}
    for name, owners in reverses.items():
        given[name] = {**given[name], "reverses": owners}
    return limits_of(Settings.model_validate({"producers": json.dumps(given)}))


def test_a_producer_reverses_its_own_jobs_and_those_of_whom_it_is_named_for() -> None:
    named = limits(support=["shop", SYSTEM_PRODUCER])
    assert {owner for owner in (*GIVEN, "shop", SYSTEM_PRODUCER) if named.may_reverse("support", owner)} == {
        "support",
        "shop",
        SYSTEM_PRODUCER,
    }
    assert not named.may_reverse("shop", "support"), "it is not mutual"
    assert not limits().may_reverse("support", "shop"), "who is named for nobody reverses its own alone"


def test_a_star_is_everybody_and_the_system_too() -> None:
    named = limits(support=["*"])
    assert all(named.may_reverse("support", owner) for owner in (*GIVEN, "shop", SYSTEM_PRODUCER, "gone"))


def test_nobody_is_held_back_where_no_producers_are_known() -> None:
    assert limits_of(Settings()).may_reverse("billing", "shop")


def test_nothing_shows_a_secret(producers: Producers) -> None:
    settings = Settings.model_validate({"producers": json.dumps(GIVEN)})
    assert "secret-" not in repr(producers) + repr(settings)


def _text(**changes: Any) -> str:
    return json.dumps({"billing": {**GIVEN["billing"], **changes}})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "is not JSON: Expecting property name enclosed in double quotes in line 1, column 2."),
        ('["hunter2"]', "is neither a JSON object nor a file that can be read (No such file or directory)."),
        ("{}", "must be an object like"),
        ('{"a": 1}', f"a: {SHAPE}."),
        ('{"a": {"secret": "hunter2"}}', f"a: {SHAPE}."),
        (_text(revers=[]), f"billing: {SHAPE}."),
        ('{"a": {}, "a": {}}', "names a twice."),
        (
            _text(secrets=["hunter2"]),
            "billing: a secret has 7 characters, at least 32 are needed; make one w",
        ),
        (_text(secrets="hunter2"), "billing: secrets must be a list of texts."),
        (_text(secrets=[]), "billing: has 0 secrets; allowed are 1, or 2 while one takes the other's place."),
        (_text(secrets=[ONE, TWO, ONE + TWO]), "billing: has 3 secrets; allowed are 1, or 2 while"),
        (_text(jobs=[]), 'billing: jobs must be a list of job names, or ["*"] for all.'),
        (_text(jobs="*"), 'billing: jobs must be a list of job names, or ["*"] for all.'),
        (_text(jobs=["wallets.topup"]), "billing: there is no job 'wallets.topup'; there are wallets.create, "),
        (_text(jobs=[["*"]]), "billing: there is no job"),
        (_text(reverses="*"), 'billing: reverses must be a list of producers whose jobs it may reverse, or ["*"].'),
        (_text(reverses=[7]), "billing: reverses must be a list of producers"),
        (_text(reverses=[""]), "billing: reverses must be a list of producers"),
        (
            json.dumps({"a": GIVEN["support"], "b": GIVEN["support"]}),
            "b and a have the same secret: either could sign as the other.",
        ),
    ],
)
def test_what_is_wrong_with_it_is_said_without_showing_a_secret(
    monkeypatch: pytest.MonkeyPatch, text: str, sentence: str
) -> None:
    monkeypatch.setenv(f"{PREFIX}PRODUCERS", text)
    load_settings.cache_clear()
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value).startswith(f"BALANCE_PRODUCERS {sentence}")
    assert "hunter2" not in str(caught.value)
    assert "secret-" not in str(caught.value)


def test_a_file_may_hold_it(tmp_path: Path) -> None:
    path = tmp_path / "producers.json"
    path.write_text(json.dumps(GIVEN))
    settings = Settings.model_validate({"producers": str(path)})
    assert settings.producers is not None
    assert producers_in(settings.producers.get_secret_value()) == producers_in(json.dumps(GIVEN))
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"nor a file of UTF-8 text"):
        producers_in(str(path))


def test_a_job_is_reversed_in_the_name_of_who_is_named_for_it() -> None:
    def reverser(owner: str, **producers: dict[str, Any]) -> str:
        named = {name: {"secrets": [name * 32], **each} for name, each in producers.items()}
        return reverser_of(Settings(producers=json.dumps(named)), owner)

    shop, desk = {"jobs": ["wallets.top_up"]}, {"jobs": ["entries.reverse"], "reverses": ["shop"]}
    assert reverser_of(Settings(), "shop") == "default"
    assert reverser("shop", shop=shop, desk=desk) == "desk"
    assert reverser("shop", shop={"jobs": ["*"]}, desk=desk) == "desk", "rather than in the publisher's own name"
    assert reverser("shop", shop={"jobs": ["*"]}) == "shop"
    assert reverser(SYSTEM_PRODUCER, desk={**desk, "reverses": ["*"]}) == "desk"
    for given in ({"shop": shop}, {"shop": shop, "desk": {**desk, "reverses": ["mill"]}}, {"desk": {"jobs": ["*"]}}):
        with pytest.raises(UnknownProducer, match="names nobody who may reverse a job of 'shop'"):
            reverser("shop", **given)
