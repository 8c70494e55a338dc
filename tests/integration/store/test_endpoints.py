"""Jobs about endpoints of webhooks: answered for ever, written with their jobs, and nothing of a secret in any row."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from models.domain.webhooks.endpoints import Secret
from models.domain.webhooks.secrets import SecretKeys, shown_secret
from models.store.audit.ledger import audit
from models.store.connection.session import snapshot
from models.store.read.webhooks import endpoint_list
from tasks.apply.path import apply
from tests.integration.events.endpoints import add
from tests.support.builders import LIMITS, WEBHOOK_KEYS, ask, execute, job, rows

URL = "https://receiver.example/events"


def test_an_endpoint_is_added_changed_switched_off_and_on_and_removed(engine: Engine) -> None:
    endpoint_id = add(engine, URL, types=["wallet.updated", "job.rejected"], kinds=["wallet"])
    about = {"endpoint_id": endpoint_id}
    added = ask(engine, "webhooks.enable", **about)
    assert (added["code"], added["response"]["status"]) == ("unchanged", "enabled")
    assert added["response"]["types"] == ["job.rejected", "wallet.updated"]
    changed = ask(engine, "webhooks.update", **about, url="https://other.example/", types=None)["response"]
    assert (changed["url"], changed["types"], changed["kinds"]) == ("https://other.example/", None, ["wallet"])
    assert ask(engine, "webhooks.disable", **about)["response"]["disabled_for"] == "asked"
    assert ask(engine, "webhooks.disable", **about)["code"] == "unchanged"
    assert ask(engine, "webhooks.enable", **about)["response"]["disabled_for"] is None
    assert ask(engine, "webhooks.rotate_secret", **about, overlap_s=0)["response"]["secret_version"] == 2
    assert ask(engine, "webhooks.remove", **about)["response"]["status"] == "removed"
    for name in ("enable", "disable", "remove", "rotate_secret"):
        assert ask(engine, f"webhooks.{name}", **about)["code"] == "endpoint_not_found"
    assert {row["type"] for row in rows(engine, "select type from outbox")} == {"job.rejected"}, "who asks knows"


def test_the_same_key_is_answered_alike_and_adds_nothing_twice(engine: Engine) -> None:
    asked = job("webhooks.add", idempotency_key="k", name="a", url=URL)
    first, second = (apply(engine, [asked], LIMITS)[0] for _ in range(2))
    assert second.replayed
    assert first.document()["response"] == second.document()["response"]
    both = apply(engine, [job("webhooks.add", idempotency_key=key, name="b", url=URL) for key in ("x", "x")], LIMITS)
    assert [each.replayed for each in both] == [False, True]
    with snapshot(engine) as connection:
        assert len(endpoint_list(connection, 10, removed=False).rows) == 2


def test_several_jobs_of_one_batch_about_one_endpoint_are_decided_one_after_the_other(engine: Engine) -> None:
    about = {"endpoint_id": add(engine)}
    names = ("disable", "enable", "disable")
    outcomes = apply(engine, [job(f"webhooks.{name}", **about) for name in names], LIMITS)
    assert [each.document()["response"]["status"] for each in outcomes] == ["disabled", "enabled", "disabled"]
    [row] = rows(engine, "select disabled from webhook_endpoints")
    assert row["disabled"] == "asked"


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "ftp://receiver.example/"},
        {"url": "https://user:word@receiver.example/"},
        {"url": "https://receiver.example/#part"},
        {"url": "https:///events"},
        {"url": "https://receiver.example:99999/"},
        {"url": "javascript:alert(1)"},
        {"types": []},
        {"types": ["wallet.upset"]},
        {"kinds": ["purse"]},
        {"name": ""},
        {"secret": "whsec_aGVsbG8="},
    ],
)
def test_what_no_endpoint_can_be_is_refused_with_the_field(engine: Engine, fields: dict[str, Any]) -> None:
    outcome = ask(engine, "webhooks.add", **{"name": "a", "url": URL, **fields})
    assert outcome["code"] == "invalid_request"
    [error] = outcome["error"]["body"]["error"]["details"]["errors"]
    assert next(iter(fields)) in error["loc"]


def test_a_change_of_nothing_is_refused(engine: Engine) -> None:
    assert ask(engine, "webhooks.update", endpoint_id=add(engine))["code"] == "invalid_request"


def test_without_a_key_there_is_no_secret_and_so_no_endpoint(engine: Engine) -> None:
    outcome = apply(engine, [job("webhooks.add", name="a", url=URL)], replace(LIMITS, webhook_key=None))[0]
    assert outcome.document()["code"] == "webhooks_not_configured"


def test_a_reader_of_the_database_finds_no_secret_and_nothing_to_make_one_from(engine: Engine) -> None:
    endpoint_id = add(engine)
    ask(engine, "webhooks.rotate_secret", endpoint_id=endpoint_id)
    with snapshot(engine) as connection:
        [shown] = endpoint_list(connection, 1, removed=False).rows
    secrets = WEBHOOK_KEYS.of(shown.endpoint, shown.endpoint.updated_at)
    assert len(secrets) == 2
    tables = [
        row["name"] for row in rows(engine, "select tablename as name from pg_tables where schemaname = 'public'")
    ]
    everything = "".join(
        json.dumps(rows(engine, f'select cast(t as text) as row from "{table}" t')) for table in tables
    )
    assert endpoint_id in everything
    for secret in secrets:
        for form in (secret.hex(), shown_secret(secret), shown_secret(secret).removeprefix("whsec_")):
            assert form not in everything
    assert WEBHOOK_KEYS.keys[0].decode() not in everything
    assert WEBHOOK_KEYS.keys[0].hex() not in everything


def test_a_secret_is_another_one_for_each_endpoint_number_and_key() -> None:

    other = SecretKeys((b"another key of the tests, as long", *WEBHOOK_KEYS.keys))
    assert WEBHOOK_KEYS.newest
    assert other.newest
    made = {
        keys.secret(UUID(int=number), Secret(version, name))
        for keys, name in ((WEBHOOK_KEYS, WEBHOOK_KEYS.newest), (other, other.newest))
        for number in (1, 2)
        for version in (1, 2)
    }
    assert len(made) == 8
    assert None not in made
    assert other.secret(UUID(int=1), Secret(1, WEBHOOK_KEYS.newest)) == WEBHOOK_KEYS.secret(
        UUID(int=1), Secret(1, WEBHOOK_KEYS.newest)
    )
    assert WEBHOOK_KEYS.secret(UUID(int=1), Secret(1, other.newest)) is None


@pytest.mark.tampered_ledger
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("update webhook_endpoints set url = 'https://elsewhere.example/'", "is not as job"),
        ("update webhook_endpoints set types = array['job.rejected']", "is not as job"),
        ("update webhook_endpoints set kinds = null", "is not as job"),
        ("update webhook_endpoints set disabled = 'asked'", "is not as job"),
        ("update webhook_endpoints set removed = true", "is not as job"),
        ("update webhook_endpoints set secret_version = 7", "is not as job"),
        ("delete from webhook_endpoints", "it is not there"),
        (
            'insert into webhook_endpoints select (jsonb_populate_record(e, \'{"id": "00000000-0000-7000-8000-0000000'
            "00001\"}')).* from webhook_endpoints e",
            "no job added it",
        ),
    ],
)
def test_verify_notices_an_endpoint_that_no_job_left_so(engine: Engine, change: str, problem: str) -> None:
    add(engine, kinds=["wallet"])
    assert audit(engine).coherent
    execute(engine, change)
    [finding] = audit(engine).findings
    assert problem in finding.problem
