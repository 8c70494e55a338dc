"""An entry undone by an operator: shown before, done once by a worker, told afterwards."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Browser, Page
from sqlalchemy import create_engine

from tests.browser.looking import Look, looking
from tests.browser.running import USER, RunningFlower
from tests.browser.sample import Ledger, Sample
from tests.support.builders import rows


@pytest.fixture(scope="module")
def made(changed_ledger: Ledger) -> Sample:
    return changed_ledger.sample


def told(tab: Page) -> dict[str, str]:
    """What will happen."""
    after = tab.locator("h2:text-is('What will happen') ~ dl")
    return dict(zip(after.locator("dt").all_inner_texts(), after.locator("dd").all_inner_texts(), strict=True))


def show(look: Look, part: str = "", *, force: bool = False) -> None:
    tab = look.tab
    tab.get_by_label("Amount, in credit").fill(part)
    tab.get_by_label("Also what has been spent").set_checked(force)
    look.press(tab.get_by_role("button", name="Show what will happen"))


def test_a_top_up_is_undone_in_part_and_then_what_was_spent(
    browser: Browser, acting: RunningFlower, worker: None, made: Sample, changed_ledger: Ledger
) -> None:
    with looking(browser, acting) as look:
        tab = look.visit("/account?name=wallet:atelier")
        look.press(tab.get_by_role("link", name="Undo entry number 2"))
        alert = tab.get_by_role("alert").inner_text()
        assert alert == (
            "It would be refused (insufficient_funds): The funds have been spent; use force to reverse all the same."
        )
        assert tab.get_by_role("button", name="Undo", exact=True).count() == 0
        show(look, "22.50")
        assert told(tab)["New entry"] == "number 6, -22.50 credit"
        assert told(tab)["Balance"] == "477.50 → 455.00"
        tab.get_by_label("Why").fill("ticket 17 <b>")
        tab.get_by_label("Take this back").check()
        look.press(tab.get_by_role("button", name="Undo", exact=True))
        assert tab.url == f"{acting.url}/account?name=wallet%3Aatelier"
        assert re.fullmatch(r"entries\.reverse: applied, by job \S+\.", tab.get_by_role("status").inner_text())
        first = tab.get_by_role("region", name="Entries").locator("tbody tr").first.inner_text()
        assert "-22.50" in first
        assert f"by {USER}: ticket 17 <b>" in first
        assert "22.50 undone" in tab.get_by_role("region", name="Entries").inner_text()
        look.assert_sound()

        look.visit(f"/jobs/{made.granted}/undo")
        show(look, force=True)
        assert told(tab)["New entry"] == "number 7, -177.50 credit"
        assert told(tab)["Balance"] == "455.00 → 277.50"
        tab.get_by_label("Why").fill("all of it")
        tab.get_by_label("Take this back").check()
        look.press(tab.get_by_role("button", name="Undo", exact=True))
        assert tab.locator("dd").first.inner_text() == "277.50 credit"
        assert "Nothing is left to be taken back" in look.visit(f"/jobs/{made.granted}/undo").content()
    owner = create_engine(changed_ledger.url)
    noted = rows(owner, "select metadata from entries where reverses is not null and metadata is not null order by seq")
    owner.dispose()
    assert [each["metadata"] for each in noted] == [
        {"operator": USER, "reason": "ticket 17 <b>"}, {"operator": USER, "reason": "all of it"}
    ]  # fmt: skip


def test_pressing_twice_does_one_thing_and_a_refusal_is_told_in_words(
    acting: RunningFlower, worker: None, made: Sample, changed_ledger: Ledger
) -> None:
    with httpx.Client(base_url=acting.url, auth=acting.login, timeout=30) as client:
        path = f"/jobs/{made.spent}/undo"
        form = dict(re.findall(r'name="(key|_xsrf)" value="([^"]+)"', client.get(path).text))
        given = {**form, "reason": "wrong frames", "confirmed": "yes"}
        for _ in range(2):
            assert client.post(path, data=given).status_code == 303
        owner = create_engine(changed_ledger.url)
        [done] = rows(owner, "select code from jobs where idempotency_key = :key", key=form["key"])
        owner.dispose()
        assert done["code"] == "applied"
        fresh = {**given, "key": f"flower-{'0' * 32}"}  # as by a page from before: the worker has the last word
        refused = client.post(f"/jobs/{made.applied}/undo?part=1000000", data=fresh)
        assert refused.status_code == 409, refused.text
        assert "Refused (reversal_exceeds_entry): More is asked back than" in refused.text
        for part in ("-1", "0", "1e5", "0.001", "9" * 30):
            answer = client.post(path, params={"part": part}, data={**given, "key": f"flower-{'1' * 32}"})
            assert (answer.status_code, "Nothing was done" in answer.text) == (400, True), part
        missing = made.spent.replace(made.spent[:8], "00000000")
        assert client.get(f"/jobs/{missing}/undo").status_code == 404
        assert client.post(f"/jobs/{missing}/undo", data=given).status_code == 404


def test_it_is_shown_and_not_done_where_nobody_is_known(open_flower: RunningFlower, sample: Sample) -> None:
    with httpx.Client(base_url=open_flower.url) as client:
        page = client.get(f"/jobs/{sample.spent}/undo").text
        assert "number 6, +62.50 credit" in page
        assert "Undo: Read-only: this Flower asks nobody who they are." in page
        assert 'method="post"' not in page
        answer = client.post(f"/jobs/{sample.spent}/undo", data={"_xsrf": client.cookies.get("_xsrf", "")})
        assert answer.status_code == 403
