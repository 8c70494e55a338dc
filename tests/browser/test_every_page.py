"""Every page that the navigation leads to, at each width and in each colour scheme; and what they share."""

from __future__ import annotations

from itertools import product

from playwright.sync_api import Browser, expect

from tests.browser.looking import SCHEMES, WIDTHS, looking
from tests.browser.running import RunningFlower
from tests.browser.sample import Sample
from worker.flower.pages.catalogue import PAGES

OF_FLOWER = ("/workers", "/tasks", "/broker")


def test_a_page_is_sound(browser: Browser, flower: RunningFlower, sample: Sample) -> None:
    with looking(browser, flower) as look:
        for path in [*(f"/{page.path}" for page in PAGES), *sample.paths]:
            tab = look.visit(path)
            for width, scheme in product(WIDTHS, SCHEMES):
                look.become(width, scheme)
                expect(tab.locator("html")).to_have_attribute("data-bs-theme", scheme)
                look.assert_sound()


def test_the_navigation_has_our_pages_beside_flowers(browser: Browser, flower: RunningFlower) -> None:
    titles = ["Workers", "Tasks", "Broker", *(page.title for page in PAGES)]
    with looking(browser, flower) as look:
        for path in (*OF_FLOWER, "/jobs"):
            tab = look.visit(path)
            assert tab.locator(".app-nav").first.get_by_role("link").all_inner_texts() == titles
        for page in PAGES:
            look.press(tab.get_by_role("link", name=page.title, exact=True))
            assert tab.locator(".nav-link[aria-current=page]").inner_text() == page.title
        assert look.complaints == []
