"""Jobs: searched, and one of them from its message to what was told of it."""

from __future__ import annotations

from playwright.sync_api import Browser, Page

from tests.browser.looking import looking
from tests.browser.running import RunningFlower
from tests.browser.sample import SCRIPT, TURNED, Sample


def badges(tab: Page) -> list[str]:
    """What came of the jobs of a list, a row each."""
    return [" ".join(row.split()) for row in tab.locator("tbody td:nth-child(2)").all_inner_texts()]


def keys(tab: Page) -> list[str]:
    return tab.locator("tbody td:nth-child(3)").all_inner_texts()


def test_jobs_are_listed_a_page_at_a_time_and_there_and_back(browser: Browser, flower: RunningFlower) -> None:
    with looking(browser, flower) as look:
        tab = look.visit("/jobs?producer=renderer")
        first = keys(tab)
        assert first[:3] == ["render-late", "render-film", "undo-render-59"]
        assert len(first) == 50
        assert tab.get_by_role("link", name="Previous").count() == 0
        look.press(tab.get_by_role("link", name="Next: older"))
        rest = keys(tab)
        assert rest[-1] == "render-1"
        assert len({*first, *rest}) == 62
        assert tab.get_by_label("Producer", exact=True).input_value() == "renderer", "the URL keeps what was asked"
        look.press(tab.get_by_role("link", name="Previous: newer"))
        assert keys(tab) == first


def test_what_came_of_a_job_is_a_word(browser: Browser, flower: RunningFlower) -> None:
    with looking(browser, flower) as look:
        tab = look.visit("/jobs")
        said = dict(zip(keys(tab), badges(tab), strict=True))
        assert said["render-film"] == "✕ refused insufficient_funds"
        assert said["render-59"] == "✓ applied"
        assert said["render-late"] == "✓ applied ↻ replayed"
        tab.get_by_label("Outcome", exact=True).select_option("refused")
        look.press(tab.get_by_role("button", name="Search"))
        assert badges(tab) == ["✕ refused insufficient_funds"]


def test_jobs_are_looked_for_by_each_field(browser: Browser, flower: RunningFlower) -> None:
    with looking(browser, flower) as look:
        tab = look.visit("/jobs")
        for label, text, found in (
            ("Key", "invoice-17", 1),
            ("Account", "user:42", 2),
            ("Until", "2020-01-01", 0),
            ("From", "1h", 50),
            ("Producer", "billing", 2),
        ):
            look.press(tab.get_by_role("link", name="All", exact=True))
            tab.get_by_label(label, exact=True).fill(text)
            look.press(tab.get_by_role("button", name="Search"))
            assert len(keys(tab)) == found, label
        tab.get_by_label("Code", exact=True).select_option("insufficient_funds")
        look.press(tab.get_by_role("button", name="Search"))
        assert keys(tab) == []
        assert "No such jobs" in tab.content()
        for query, said in (
            ("since=yesterday", "is no time"), ("account=nobody", "names no account"),
            ("account=wallet:none", "there is no account"), ("code=odd", "no outcome code"),
            ("status=odd", "is no status"),
        ):  # fmt: skip
            assert said in look.visit(f"/jobs?{query}", 400).get_by_role("alert").inner_text()
        look.visit("/jobs?before=odd", 400)


def test_a_key_that_is_not_settled_is_looked_for_in_the_queue(browser: Browser, flower: RunningFlower) -> None:
    with looking(browser, flower) as look:
        assert "Queue: none of 0 messages has this key" in look.visit("/jobs?key=nowhere").content()


def test_one_job_is_told_from_its_message_to_its_events(
    browser: Browser, flower: RunningFlower, sample: Sample
) -> None:
    with looking(browser, flower) as look:
        tab = look.visit("/jobs?key=invoice-17")
        look.press(tab.get_by_role("link", name="invoice-17"))
        assert tab.url.endswith(f"/jobs/{sample.applied}")
        assert tab.locator("h2").all_inner_texts() == ["Message", "Queue", "Job", "Entry", "Events"]
        told = tab.locator("main").inner_text()
        for text in ('"credits_to_add": "250"', "+250.000000000", "0.000000000 → 250.000000000", "is on its way since"):
            assert text in told, text
        assert "None: the balance did not move" in look.visit(f"/jobs/{sample.refused}").content()
        assert "replayed failed" in " ".join(
            look.visit(f"/jobs/{sample.replayed}").locator("main").inner_text().split()
        )
        tab = look.visit(f"/jobs/{sample.reversed}")
        assert "Taken back by entry number" in tab.locator("main").inner_text()
        missing = sample.applied.replace(sample.applied[:8], "00000000")
        assert f"No job {missing} has been settled" in look.visit(f"/jobs/{missing}", 404).content()


def test_what_publishers_write_is_shown_and_never_run(browser: Browser, flower: RunningFlower, sample: Sample) -> None:
    with looking(browser, flower) as look:
        for path in ("/jobs", f"/jobs/{sample.strange}"):
            tab = look.visit(path)
            assert SCRIPT in tab.locator("main").inner_text()
            assert "run" not in tab.title()
            look.assert_sound()
        told = tab.locator("main").inner_text()
        assert "<b>shop</b>" in told
        assert TURNED not in told
        assert "\\u202e" in told
        tab = look.visit("/jobs?producer=%3Cb%3Eshop%3C/b%3E")
        assert keys(tab) == [SCRIPT]
