"""What changes something: by whom, from which page, on purpose, and for a reason; nothing where nobody is known."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import SimpleNamespace

import httpx
import pytest
from playwright.sync_api import Browser
from sqlalchemy import create_engine

from tests.browser.looking import looking
from tests.browser.running import USER, RunningFlower
from tests.browser.sample import Ledger
from tests.support.builders import rows
from worker.flower.pages.base import NO_LOGIN, READ_ONLY, PageHandler

GIVEN = {"reason": "ticket 17", "confirmed": "yes"}
PATH = "/notes/17"


@pytest.fixture
def known(acting: RunningFlower) -> Iterator[httpx.Client]:
    """Somebody who is logged in, and whom a page has given a token."""
    with httpx.Client(base_url=acting.url, auth=acting.login) as client:
        assert client.get("/notes").status_code == 200
        yield client


def token(client: httpx.Client) -> dict[str, str]:
    return {"_xsrf": client.cookies["_xsrf"]}


def test_it_is_done_when_it_is_meant_and_told_on_the_next_page(browser: Browser, acting: RunningFlower) -> None:
    with looking(browser, acting) as look:
        tab = look.visit("/notes")
        tab.get_by_label("Why").fill("ticket 17 <b>")
        tab.get_by_label("I mean it").check()
        look.press(tab.get_by_role("button", name="Write"))
        assert tab.url == f"{acting.url}/jobs?key=17"
        assert tab.get_by_role("status").inner_text() == f"{USER} wrote ticket 17 <b> on 17"
        look.assert_sound()
        assert look.visit("/jobs").get_by_role("status").count() == 0, "it is told once"


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({}, 303, ""),
        ({"confirmed": ""}, 400, "tick the box"),
        ({"reason": " "}, 400, "say why"),
        ({"reason": "x" * 501}, 400, "at most 500 characters"),
        ({"reason": "taken"}, 409, "Somebody else did it."),
    ],
)
def test_what_is_not_meant_is_not_done(known: httpx.Client, change: dict[str, str], status: int, said: str) -> None:
    answer = known.post(PATH, data={**token(known), **GIVEN, **change})
    assert (answer.status_code, said in answer.text) == (status, True), answer.text


def test_a_token_is_needed_and_a_login(known: httpx.Client, acting: RunningFlower) -> None:
    assert known.post(PATH, data=GIVEN).status_code == 403
    assert known.post(PATH, data={"_xsrf": "made up", **GIVEN}).status_code == 403
    elsewhere = {"Sec-Fetch-Site": "same-site"}
    assert known.post(PATH, data={**token(known), **GIVEN}, headers=elsewhere).status_code == 403
    with httpx.Client(base_url=acting.url, cookies=known.cookies) as stranger:
        assert stranger.post(PATH, data={**token(known), **GIVEN}).status_code == 401
        assert stranger.get("/notes").status_code == 401


def filled(client: httpx.Client, reason: str) -> dict[str, str]:
    """The form as the page gave it, filled in."""
    fields = dict(re.findall(r'name="(key|_xsrf)" value="([^"]+)"', client.get("/notes").text))
    assert fields.keys() == {"key", "_xsrf"}
    return {**fields, "reason": reason, "confirmed": "yes"}


def test_a_job_of_a_form_is_applied_once_in_the_name_of_who_sent_it(
    known: httpx.Client, worker: None, changed_ledger: Ledger
) -> None:
    form = filled(known, "job 7")
    for _ in range(2):  # as by somebody who presses twice
        answer = known.post(PATH, data=form)
        assert answer.status_code == 303, answer.text
    owner = create_engine(changed_ledger.url)
    asked = "select id, b.body from jobs join job_bodies b on job_id = id where idempotency_key = :key"
    [made] = rows(owner, asked, key=form["key"])
    owner.dispose()
    assert made["body"]["metadata"] == {"operator": USER, "reason": "job 7"}
    assert f"users.update_balance: applied, by job {made['id']}." in known.get("/jobs").text
    refused = known.post(PATH, data=filled(known, "job -900000000000"))
    assert (refused.status_code, "Refused (" in refused.text) == (409, True), refused.text
    impossible = known.post(PATH, data=filled(known, f"job {10**40}"))
    assert (impossible.status_code, "amount_kopeks" in impossible.text) == (400, True), impossible.text
    assert known.post(PATH, data={**form, "key": "mine"}).status_code == 400


def test_nothing_is_done_where_nobody_is_known(open_flower: RunningFlower) -> None:
    with httpx.Client(base_url=open_flower.url) as client:
        page = client.get("/notes").text
        assert "Write: Read-only: this Flower asks nobody who they are." in page
        assert "<form" not in page
        client.get("/jobs")  # which gives a token to whoever comes
        answer = client.post(PATH, data={**token(client), **GIVEN})
        assert (answer.status_code, "Read-only" in answer.text) == (403, True)


def test_nothing_is_done_where_flower_only_shows() -> None:
    def why(**options: object) -> str | None:
        given = {"basic_auth": [], "auth": "", "read_only": False, **options}
        handler = SimpleNamespace(application=SimpleNamespace(options=SimpleNamespace(**given)))
        return PageHandler.read_only.fget(handler)  # type: ignore[attr-defined,no-any-return]  # a property

    assert (why(), why(read_only=True)) == (NO_LOGIN, NO_LOGIN)
    for login in ({"basic_auth": ["u:p"]}, {"auth": ".*@example.com"}):
        assert (why(**login), why(**login, read_only=True)) == (None, READ_ONLY)
