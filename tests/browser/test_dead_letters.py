"""Dead letters: looked for, read, sent again and closed, one by one and many at once, with who did it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import redis
from playwright.sync_api import Browser, Page
from sqlalchemy import Engine, create_engine

from tests.acceptance.system import wait_until
from tests.browser.looking import looking
from tests.browser.running import USER, RunningFlower
from tests.browser.sample import MANY, SCRIPT, TURNED, Ledger, Sample
from tests.support.builders import rows

ALL = "select * from dead_letters order by id"
LETTER = "select status, closed_by, discard_reason from dead_letters where id = :id"
OF_REASON = (
    "select status, count(*) as letters, max(closed_by) as by from dead_letters where reason = :reason group by 1"
)


@pytest.fixture
def owner(changed_ledger: Ledger) -> Iterator[Engine]:
    engine = create_engine(changed_ledger.url)
    yield engine
    engine.dispose()


def column(tab: Page, number: int) -> list[str]:
    return [" ".join(each.split()) for each in tab.locator(f"tbody td:nth-child({number})").all_inner_texts()]


def test_letters_are_counted_and_looked_for(browser: Browser, flower: RunningFlower) -> None:
    with looking(browser, flower) as look:
        tab = look.visit("/dead-letters")
        assert f"Parked, and waiting for somebody: {MANY + 3}" in tab.locator("main").inner_text()
        assert len(column(tab, 3)) == 50
        look.press(tab.get_by_role("link", name=f"revoked {MANY}"))
        assert set(column(tab, 3)) == {"revoked"}
        look.press(tab.get_by_role("link", name="Next: older"))
        look.press(tab.get_by_role("link", name="Next: older"))
        assert len(column(tab, 3)) == MANY - 100
        for label, text, found in (
            ("Reason", "failed", 2), ("Task", "wallets.debit", 50), ("Producer", "renderer", 1),
            ("Until", "2020-01-01", 0),
        ):  # fmt: skip
            look.press(tab.get_by_role("link", name="All", exact=True))
            tab.get_by_label(label, exact=True).fill(text)
            look.press(tab.get_by_role("button", name="Search"))
            assert len(column(tab, 3)) == found, label
        assert "There are no such dead letters" in tab.content()
        look.press(tab.get_by_role("link", name="All", exact=True))
        tab.get_by_label("Status", exact=True).select_option("replayed")
        look.press(tab.get_by_role("button", name="Search"))
        assert column(tab, 9) == ["✓ applied"]
        look.press(tab.locator("tbody td:nth-child(9) a"))
        assert "Job" in tab.title(), "the job that it has become"
        for query in ("status=odd", "since=yesterday"):
            look.visit(f"/dead-letters?{query}", 400)
        look.visit("/dead-letters/bulk?since=yesterday", 400)
        missing = "00000000-0000-7000-8000-000000000000"
        assert f"There is no dead letter {missing}" in look.visit(f"/dead-letters/{missing}", 404).content()
        look.visit(f"/dead-letters/runs/flower-{'0' * 32}", 404)


def test_a_letter_is_shown_as_it_was_and_never_run(browser: Browser, flower: RunningFlower, sample: Sample) -> None:
    with looking(browser, flower) as look:
        for reason, texts in (
            ("failed", ('"credits": 0.10', '"note": "<b>bold</b>"', '"lang": "py"', "export-1", "Replay it once")),
            ("expired", ("by olga: came too late <b>", "Nothing: it is closed.")),
            ("garbage", (SCRIPT, "<b>GET / HTTP/1.0</b>", "cannot be sent again", "\\u0000")),
            ("unusable_key", (SCRIPT, "turned \\u202e round", '"<b>"')),
        ):
            tab = look.visit(f"/dead-letters/{sample.letters[reason]}")
            told = tab.locator("main").inner_text()
            for text in texts:
                assert text in told, (reason, text)
            assert TURNED not in told
            assert "run" not in tab.title()
            actions = tab.locator("form.balance-action button").all_inner_texts()
            assert actions == {"expired": [], "garbage": ["Discard"]}.get(reason, ["Replay", "Discard"])
            look.assert_sound()


def do(tab: Page, look: Any, button: str, sure: str, why: str) -> None:
    form = tab.locator("form.balance-action").filter(has=tab.get_by_role("button", name=button, exact=True))
    form.get_by_label("Why").fill(why)
    form.get_by_label(sure).check()
    look.press(form.get_by_role("button"))


def test_one_is_sent_again_and_one_is_closed_in_the_name_of_who_did_it(
    browser: Browser, acting: RunningFlower, changed_ledger: Ledger, owner: Engine
) -> None:
    failed, garbage = (changed_ledger.sample.letters[reason] for reason in ("failed", "garbage"))
    with looking(browser, acting) as look:
        tab = look.visit(f"/dead-letters/{failed}")
        do(tab, look, "Replay", "Send its message again", "ticket 17")
        assert tab.get_by_role("status").inner_text().startswith("Replayed")
        assert "Its message waits in the queue" in tab.content()
        assert tab.locator("form.balance-action button").all_inner_texts() == ["Replay"]
        tab = look.visit(f"/dead-letters/{garbage}")
        do(tab, look, "Discard", "Close it", "port scan <b>")
        look.assert_sound()
    [replayed], [discarded] = (rows(owner, LETTER, id=each) for each in (failed, garbage))
    assert tuple(replayed.values()) == ("replayed", USER, None)
    assert tuple(discarded.values()) == ("discarded", USER, "port scan <b>")
    with httpx.Client(base_url=acting.url, auth=acting.login) as client:
        client.get("/dead-letters")
        again = {"_xsrf": client.cookies["_xsrf"], "confirmed": "yes", "reason": "r"}
        answer = client.post(f"/dead-letters/{garbage}/discard", data=again)
        assert (answer.status_code, "was discarded already" in answer.text) == (409, True)
        assert client.post(f"/dead-letters/{failed.replace(failed[:8], '0' * 8)}/replay", data=again).status_code == 404


def test_many_are_sent_again_and_closed_with_their_progress_told(
    browser: Browser, acting: RunningFlower, owner: Engine
) -> None:
    with looking(browser, acting) as look:
        tab = look.visit("/dead-letters?reason=revoked")
        look.press(tab.get_by_role("link", name="Replay or discard all"))
        assert f"Parked now: {MANY} letters (reason revoked)" in tab.locator("main").inner_text()
        look.assert_sound()
        do(tab, look, "Replay all", "Send their messages again", "the cause is gone")
        assert "/dead-letters/runs/flower-" in tab.url
        wait_until("the run to end", lambda: "Done." in look.visit(tab.url.removeprefix(acting.url)).content())
        assert f"{MANY} of {MANY}" in tab.locator("main").inner_text()
        assert f"by {USER}: the cause is gone" in tab.locator("main").inner_text()
        look.assert_sound()
        assert rows(owner, OF_REASON, reason="revoked") == [{"status": "replayed", "letters": MANY, "by": USER}]
        assert "Parked now: 0 letters" in look.visit("/dead-letters/bulk?reason=revoked").locator("main").inner_text()
        tab = look.visit("/dead-letters/bulk?reason=unusable_key&since=7d")
        do(tab, look, "Discard all", "nobody wants them", "sent by a test")
        wait_until("the run to end", lambda: "Done." in look.visit(tab.url.removeprefix(acting.url)).content())
    assert rows(owner, OF_REASON, reason="unusable_key") == [{"status": "discarded", "letters": 1, "by": USER}]


def test_where_there_is_none_nothing_is_begun(acting: RunningFlower) -> None:
    with httpx.Client(base_url=acting.url, auth=acting.login) as client:
        assert "Parked now: <strong>0</strong>" in client.get("/dead-letters/bulk?reason=expired").text
        given = {"_xsrf": client.cookies["_xsrf"], "key": f"flower-{'a' * 32}", "reason": "r", "confirmed": "yes"}
        nothing = client.post("/dead-letters/bulk/discard?reason=expired", data=given)
        assert (nothing.status_code, "no such letters any more" in nothing.text) == (409, True)


def test_nothing_is_offered_where_nobody_is_known(open_flower: RunningFlower, sample: Sample) -> None:
    with httpx.Client(base_url=open_flower.url) as client:
        for path in (f"/dead-letters/{sample.letters['failed']}", "/dead-letters/bulk"):
            page = client.get(path).text
            assert "Read-only: this Flower asks nobody who they are." in page
            assert 'method="post"' not in page
        data = {"_xsrf": client.cookies["_xsrf"], "confirmed": "yes", "reason": "r"}
        assert client.post(f"/dead-letters/{sample.letters['failed']}/replay", data=data).status_code == 403
        assert client.post("/dead-letters/bulk/discard", data=data).status_code == 403


def refused(running: RunningFlower, letter_id: str) -> str:
    """What a Flower says that cannot send this letter again."""
    with httpx.Client(base_url=running.url, auth=running.login, timeout=60) as client:
        client.get("/dead-letters")
        data = {"_xsrf": client.cookies["_xsrf"], "confirmed": "yes", "reason": "r"}
        answer = client.post(f"/dead-letters/{letter_id}/replay", data=data)
    assert answer.status_code == 503, answer.text[-1500:]
    return answer.text


def test_a_role_that_may_not_write_is_said_and_nothing_is_sent(
    flower: RunningFlower, environment: dict[str, str], sample: Sample
) -> None:
    assert "may not do this" in refused(flower, sample.letters["failed"])
    with redis.Redis.from_url(environment["BALANCE_BROKER_URL"]) as broker:
        assert broker.llen("balance") == 0


def test_a_broker_that_is_away_is_said_and_the_letters_stay(
    brokerless: RunningFlower, changed_ledger: Ledger, owner: Engine
) -> None:
    before = rows(owner, ALL)
    assert "the broker did not take it" in refused(brokerless, changed_ledger.sample.letters["failed"])
    assert rows(owner, ALL) == before
