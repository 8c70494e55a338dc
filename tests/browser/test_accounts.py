"""Accounts: looked for, and one of them with what is spent first, its course and its entries."""

from __future__ import annotations

import csv  # noqa: TID251  # it is read here, not written
import io
from itertools import pairwise

import httpx
import pytest
from playwright.sync_api import Browser, Page
from sqlalchemy import create_engine

from tests.browser.looking import looking
from tests.browser.running import RunningFlower
from tests.browser.sample import SCRIPT, Ledger, Sample
from tests.support.builders import execute

# Where the words of a chart that can be seen are, in it.
_MARKS = """
() => [...document.querySelectorAll(".balance-mark")].filter(each => each.checkVisibility())
  .map(each => { const {x, y, width, height} = each.getBBox(); return {x, y, width, height}; })
"""


def column(tab: Page, label: str, number: int) -> list[str]:
    """A column of a table, a row each."""
    rows = tab.get_by_role("region", name=label, exact=True).locator(f"tbody td:nth-child({number})")
    return [" ".join(row.split()) for row in rows.all_inner_texts()]


def test_accounts_are_looked_for_by_name_customer_and_kind(browser: Browser, flower: RunningFlower) -> None:
    with looking(browser, flower) as look:
        tab = look.visit("/accounts")
        assert column(tab, "Accounts", 1)[:2] == ["app:1/2", "user:42"]
        for label, text, found in (
            ("Account", "wallet:atelier", ["wallet:atelier"]), ("Account", "42", ["user:42"]),
            ("Customer", "museum", ["wallet:atelier", "wallet:workshop"]), ("Account", "wallet:nobody", []),
        ):  # fmt: skip
            look.press(tab.get_by_role("link", name="All", exact=True))
            tab.get_by_label(label, exact=True).fill(text)
            look.press(tab.get_by_role("button", name="Search"))
            assert column(tab, "Accounts", 1) == found, text
        assert "There are no such accounts" in tab.content()
        look.press(tab.get_by_role("link", name="All", exact=True))
        tab.get_by_label("Kind", exact=True).select_option("wallet")
        look.press(tab.get_by_role("button", name="Search"))
        standing = dict(zip(column(tab, "Accounts", 1), column(tab, "Accounts", 2), strict=True))
        assert standing["wallet:atelier"] == "✓ active ‖ held"
        assert standing["wallet:debtor"] == "✕ frozen − in debt"
        assert "user:42" not in standing
        for query, said in (("kind=odd", "is no kind"), ("name=user:odd", "names no account")):
            assert said in look.visit(f"/accounts?{query}", 400).get_by_role("alert").inner_text()
        look.visit("/accounts?before=odd", 400)
        look.visit(f"/accounts?before={2**63}", 400)


def test_one_account_says_what_is_spent_first(browser: Browser, flower: RunningFlower, sample: Sample) -> None:
    with looking(browser, flower) as look:
        tab = look.visit("/accounts?customer=museum")
        look.press(tab.get_by_role("link", name="wallet:atelier"))
        facts = dict(zip(tab.locator("dt").all_inner_texts(), tab.locator("dd").all_inner_texts(), strict=True))
        assert (facts["Balance"], facts["Spendable"], facts["Held"]) == ("477.50 credit", "462.50", "15.00")
        assert column(tab, "Grants", 1) == ["first", "2."]
        assert column(tab, "Grants", 2)[0] == sample.granted, "the one that expires first"
        assert column(tab, "Grants", 3) == ["122.50", "300.00"]
        assert "Then plain credits: 40.00." in tab.content()
        assert column(tab, "Holds", 2) == ["15.00"]
        assert column(tab, "Entries", 3) == ["+0.00 held +15.00", "-62.50", "+40.00", "+200.00", "+300.00"]
        assert column(tab, "Entries", 4) == ["477.50", "477.50", "540.00", "500.00", "300.00"]
        assert column(tab, "Entries", 7)[1] == "Frames"
        look.press(tab.get_by_role("link", name="first", exact=True))
        assert tab.url.endswith(f"/jobs/{sample.granted}")
        look.press(tab.get_by_role("link", name="wallet:atelier"))
        assert tab.locator("h1").inner_text() == "wallet:atelier"
        assert "There is no account wallet:none" in look.visit("/account?name=wallet:none", 404).content()
        for query in ("", "name=odd", "name=wallet:atelier&period=odd", "name=wallet:atelier&at=2020-01-01"):
            look.visit(f"/account?{query}", 400)


def test_the_course_is_drawn_and_told(browser: Browser, flower: RunningFlower) -> None:
    with looking(browser, flower) as look:
        tab = look.visit("/account?name=wallet:workshop")
        drawing = tab.get_by_role("img", name="Balance over time, in credit")
        assert "as it stood at 200 moments; 480 entries lie between" in tab.locator("figcaption").inner_text()
        assert drawing.locator(".balance-line").get_attribute("d").count("H") == 201  # type: ignore[union-attr]
        assert "the balance went from 0.00 to" in (drawing.locator("desc").text_content() or "")
        look.press(tab.get_by_role("link", name="24 h", exact=True))
        assert tab.locator("figcaption").inner_text().endswith("each of 23 entries.")
        steps = drawing.locator(".balance-line").get_attribute("d") or ""
        assert steps.count("H") == 24
        look.become("narrow", "dark")
        boxes = tab.evaluate(_MARKS)
        assert len(boxes) >= 7, "amounts, the unit, and every other time"
        assert min(box["height"] for box in boxes) > 10, "words are not stretched with the drawing"
        lowest = max(box["y"] for box in boxes)
        times = sorted((box["x"], box["x"] + box["width"]) for box in boxes if box["y"] == lowest)
        assert len(times) == 3
        assert all(before[1] < after[0] for before, after in pairwise(times)), "times stand beside each other"


def test_entries_are_paged_and_an_account_is_shown_as_it_was(browser: Browser, flower: RunningFlower) -> None:
    with looking(browser, flower) as look:
        tab = look.visit("/account?name=wallet:workshop")
        assert column(tab, "Entries", 1) == [str(number) for number in range(480, 430, -1)]
        look.press(tab.get_by_role("link", name="Next: older"))
        assert column(tab, "Entries", 1)[0] == "430"
        look.press(tab.get_by_role("link", name="Previous: newer"))
        assert column(tab, "Entries", 1)[0] == "480"
        balance = column(tab, "Entries", 4)[column(tab, "Entries", 1).index("456")]
        tab.get_by_label("As it was").fill("1d")  # the entry of then is a moment younger
        look.press(tab.get_by_role("button", name="Show", exact=True))
        assert column(tab, "Entries", 1)[0] in ("456", "457")
        assert tab.locator("dd").first.inner_text() == f"{column(tab, 'Entries', 4)[0]} credit"
        assert balance in column(tab, "Entries", 4)
        look.assert_sound()
        assert "has not come yet" in look.visit("/account?name=wallet:workshop&at=2999-01-01", 400).content()


def test_a_statement_is_a_spreadsheet_of_its_period(flower: RunningFlower) -> None:
    with httpx.Client(base_url=flower.url, auth=flower.login) as client:
        answer = client.get("/account/statement", params={"name": "wallet:workshop", "since": "90d"})
        assert answer.headers["Content-Disposition"] == 'attachment; filename="wallet-workshop.csv"'
        rows = [*csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff")))]
        assert [row["row"] for row in rows[:2]] == ["opening", "entry"]
        assert sum(row["row"] == "entry" for row in rows) == 480
        closing = next(row for row in rows if row["row"] == "closing")
        assert closing["balance"] == rows[480]["balance"]
        for query, status in (("name=wallet:none", 400), ("name=x", 400), ("name=user:42&since=1h&until=2h", 400)):
            assert client.get(f"/account/statement?{query}").status_code == status, query


def test_a_statement_that_does_not_add_up_never_looks_whole(acting: RunningFlower, changed_ledger: Ledger) -> None:
    owner = create_engine(changed_ledger.url)
    execute(owner, "update entries set amount = amount + 1 where seq = 470 and description = 'Hour 470'")
    owner.dispose()
    with httpx.Client(base_url=acting.url, auth=acting.login) as client:
        short = {"name": "wallet:workshop", "since": "1d"}
        assert client.get("/account/statement", params=short).status_code == 500, "nothing had been sent yet"
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/account/statement", params={"name": "wallet:workshop"})
        assert client.get("/account", params=short).status_code == 200


def test_names_of_strangers_are_shown_and_never_run(browser: Browser, flower: RunningFlower) -> None:
    with looking(browser, flower) as look:
        tab = look.visit("/accounts?customer=" + SCRIPT.replace("'", "%27"))
        assert column(tab, "Accounts", 1) == [f"wallet:{SCRIPT}"]
        look.press(tab.get_by_role("link", name=f"wallet:{SCRIPT}"))
        assert SCRIPT in tab.locator("h1").inner_text()
        assert "run" not in tab.title().replace(SCRIPT, "")
        assert SCRIPT in column(look.visit("/account?name=wallet:debtor"), "Entries", 7)
        look.assert_sound()
