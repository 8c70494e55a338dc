"""Webhooks: endpoints with how sending there goes, deliveries, and what was given up sent again; never a secret."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Browser, Page
from sqlalchemy import create_engine

from tests.browser.looking import Look, looking
from tests.browser.running import USER, RunningFlower
from tests.browser.sample import SCRIPT, Ledger, Sample
from tests.support.builders import rows

STATUSES = "select status, count(*) as many from webhook_deliveries where endpoint_id = :id group by 1 order by 1"
JOB = (
    "select name, b.body from jobs join job_bodies b on job_id = id "
    "where idempotency_key like 'flower-%' and name like 'webhooks.%'"
)


def test_endpoints_are_told_apart_and_no_secret_is_shown(
    browser: Browser, flower: RunningFlower, sample: Sample
) -> None:
    with looking(browser, flower) as look:
        tab = look.visit("/webhooks")
        told = [" ".join(row.split()) for row in tab.locator("tbody tr").all_inner_texts()]
        for word, row in zip(("enabled 0", "http_500", "disabled: asked 0"), told, strict=True):
            assert word in row
        assert "BALANCE_WEBHOOK_KEY is not in these settings" in tab.get_by_role("alert").inner_text()
        for name, texts in (
            ("good", ("delivered", "http_200", "user.balance.updated", "user:7")),
            ("bad", ("exhausted", "http_500", SCRIPT, "https://bad.example/<b>")),
            ("off", ("disabled: asked", "There are no such deliveries")),
        ):
            tab = look.visit(f"/webhooks/{sample.endpoints[name]}")
            main = tab.locator("main").inner_text()
            for text in texts:
                assert text in main, (name, text)
            assert "whsec" not in tab.content()
            assert "run" not in tab.title()
        tab = look.visit(f"/webhooks/{sample.endpoints['bad']}")
        look.press(tab.get_by_role("link", name="delivered", exact=True))
        assert "There are no such deliveries" in tab.content()
        look.press(tab.get_by_role("link", name="exhausted", exact=True))
        assert tab.locator("tbody tr").count() > 0
        for path, status in (
            (f"/webhooks/{sample.endpoints['bad']}?status=odd", 400),
            ("/webhooks/00000000-0000-7000-8000-000000000000", 404),
        ):
            look.visit(path, status)


def do(look: Look, tab: Page, button: str, sure: str) -> str:
    form = tab.locator("form.balance-action").filter(has=tab.get_by_role("button", name=button, exact=True))
    form.get_by_label("Why").fill("mended")
    form.get_by_label(sure).check()
    look.press(form.get_by_role("button"))
    return tab.get_by_role("status").inner_text()


@pytest.mark.usefixtures("worker")
def test_what_was_given_up_is_sent_again_and_an_endpoint_is_enabled(
    browser: Browser, acting: RunningFlower, changed_ledger: Ledger
) -> None:
    owner = create_engine(changed_ledger.url)
    bad, off = (changed_ledger.sample.endpoints[name] for name in ("bad", "off"))
    [given_up] = rows(owner, STATUSES, id=bad)
    assert given_up["status"] == "exhausted"
    with looking(browser, acting) as look:
        said = do(look, look.visit(f"/webhooks/{bad}"), "Replay", "Send again what was given up")
        assert said == f"{given_up['many']} to be sent again, under the same ids."
        assert rows(owner, STATUSES, id=bad) == [{"status": "waiting", "many": given_up["many"]}]
        assert do(look, look.tab, "Replay", "Send again what was given up").startswith("0 to be sent again")
        assert do(look, look.visit(f"/webhooks/{off}"), "Enable", "mended").startswith("webhooks.enable: applied")
        assert "disabled" not in look.tab.locator("dl").first.inner_text()
    [job] = rows(owner, JOB)
    assert (job["name"], job["body"]["metadata"]) == ("webhooks.enable", {"operator": USER, "reason": "mended"})
    owner.dispose()


def test_nothing_is_offered_where_nobody_is_known(open_flower: RunningFlower, sample: Sample) -> None:
    with httpx.Client(base_url=open_flower.url) as client:
        path = f"/webhooks/{sample.endpoints['bad']}"
        page = client.get(path).text
        assert "Replay: Read-only" in page
        assert 'method="post"' not in page
        data = {"_xsrf": client.cookies["_xsrf"], "confirmed": "yes", "reason": "r"}
        for action in ("replay", "enable", "disable"):
            assert client.post(f"{path}/{action}", data=data).status_code == 403
