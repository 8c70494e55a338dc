"""Auto top-up: policies with where they stand and why, charges, and what operators may ask of them."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Browser, Page
from sqlalchemy import create_engine

from tests.browser.looking import looking
from tests.browser.running import USER, RunningFlower
from tests.browser.sample import SCRIPT, Ledger, Sample
from tests.integration.cli.charged import switch
from tests.support.builders import rows

STANDINGS = {
    "all": ["wallet:refused", "wallet:paying", "wallet:needy", "wallet:plenty"],
    "due": ["wallet:needy"],
    "suspended": ["wallet:refused"],
    "charging": ["wallet:paying"],
}
POLICY = "select p.suspended from policies p join accounts a on a.id = p.account_id where a.ref = :ref"
JOBS = (
    "select name, b.body from jobs join job_bodies b on job_id = id "
    "where idempotency_key like 'flower-%' and name like 'auto_topup.%' order by id"
)


def accounts(tab: Page) -> list[str]:
    return tab.locator("tbody td:first-child").all_inner_texts()


def test_policies_stand_with_a_sentence_and_are_told_apart(browser: Browser, flower: RunningFlower) -> None:
    with looking(browser, flower) as look:
        tab = look.visit("/auto-topup")
        assert "Charging is on." in tab.locator("main").inner_text()
        for which, found in STANDINGS.items():
            tab.get_by_label("Which", exact=True).select_option(which)
            look.press(tab.get_by_role("button", name="Search"))
            assert accounts(tab) == found, which
            if which == "suspended":
                told = tab.locator("tbody").inner_text()
                assert "suspended since" in told
                assert "the last charge was declined (card_declined)" in told
        for query in ("which=odd", "account=app:1/2", "account=nobody", "before=odd"):
            look.visit(f"/auto-topup?{query}", 400)
        look.visit("/auto-topup")
        tab.get_by_label("Account", exact=True).fill("wallet:plenty")
        look.press(tab.get_by_role("button", name="Search"))
        assert tab.locator("h1").inner_text() == "Auto top-up of wallet:plenty"
        assert "wallet:plenty is not topped up: 100.00 can be spent" in tab.locator("main").inner_text()
        tab = look.visit("/account?name=wallet:plenty")
        look.press(tab.locator("dd").get_by_role("link", name="balance_below_threshold"))
        assert tab.locator("h1").inner_text() == "Auto top-up of wallet:plenty"
        assert "There is no account wallet:none" in look.visit("/auto-topup/account?account=wallet:none", 404).content()
        look.visit("/auto-topup/account", 400)


def test_one_has_its_charges_and_what_was_decided(browser: Browser, flower: RunningFlower, sample: Sample) -> None:
    with looking(browser, flower) as look:
        tab = look.visit("/auto-topup/account?account=wallet:refused")
        told = tab.locator("main").inner_text()
        for text in ("suspended since", "card_declined", "ref-1", "<b>payer</b>", "charge declined", "50.00 USD"):
            assert text in told, text
        assert tab.locator("form.balance-action button").all_inner_texts() == ["Resume", "Run now"]
        look.press(tab.get_by_role("region", name="Charges").get_by_role("link").first)
        assert tab.url.endswith(sample.charges["wallet:refused"])
        told = " ".join(tab.locator("main").inner_text().split())
        assert "Status declined Code card_declined" in told
        look.press(tab.get_by_role("link", name="The job that decided it"))
        tab = look.visit("/auto-topup/account?account=wallet:paying")
        assert SCRIPT in tab.locator("main").inner_text()
        assert "run" not in tab.title()
        assert tab.locator("form.balance-action button").all_inner_texts() == ["Run now"]


def test_charges_are_listed_by_what_became_of_them(browser: Browser, flower: RunningFlower) -> None:
    with looking(browser, flower) as look:
        tab = look.visit("/auto-topup/charges")
        assert len(accounts(tab)) == 2
        look.press(tab.get_by_role("link", name="pending", exact=True))
        assert SCRIPT in tab.locator("tbody").inner_text(), "the provider's reference"
        look.press(tab.get_by_role("link", name="void", exact=True))
        assert "There are no such charges" in tab.content()
        look.visit("/auto-topup/charges?status=odd", 400)
        look.visit("/auto-topup/charges/00000000-0000-7000-8000-000000000000", 404)


@pytest.mark.usefixtures("worker")
def test_resumed_and_run_now_by_jobs_that_say_who_asked(
    browser: Browser, acting: RunningFlower, changed_ledger: Ledger
) -> None:
    owner = create_engine(changed_ledger.url)
    assert rows(owner, POLICY, ref="refused") == [{"suspended": "card_declined"}]
    with looking(browser, acting) as look:
        for ref, button, sure in (("refused", "Resume", "is settled"), ("plenty", "Run now", "Charge it now")):
            tab = look.visit(f"/auto-topup/account?account=wallet:{ref}")
            form = tab.locator("form.balance-action").filter(has=tab.get_by_role("button", name=button, exact=True))
            form.get_by_label("Why").fill("a new card")
            form.get_by_label(sure).check()
            look.press(form.get_by_role("button"))
            assert tab.get_by_role("status").inner_text().startswith("auto_topup.")
    assert rows(owner, POLICY, ref="refused") == [{"suspended": None}]
    said = {"operator": USER, "reason": "a new card"}
    done = [(each["name"], each["body"]["account"], each["body"]["metadata"]) for each in rows(owner, JOBS)]
    assert done == [
        ("auto_topup.resume", "wallet:refused", said), ("auto_topup.run_now", "wallet:plenty", said)
    ]  # fmt: skip
    switch(owner, on=False)
    with looking(browser, acting) as look:
        alert = look.visit("/auto-topup").get_by_role("alert").inner_text()
        assert "Charging is paused for all accounts since" in alert
        assert "by olga: ticket 17" in alert
        look.assert_sound()
    switch(owner, on=True)
    owner.dispose()


def test_nothing_is_offered_where_nobody_is_known(open_flower: RunningFlower) -> None:
    with httpx.Client(base_url=open_flower.url) as client:
        page = client.get("/auto-topup/account?account=wallet:refused").text
        assert "Resume: Read-only" in page
        assert 'method="post"' not in page
        data = {"_xsrf": client.cookies["_xsrf"], "confirmed": "yes", "reason": "r"}
        assert client.post("/auto-topup/account/resume?account=wallet:refused", data=data).status_code == 403
