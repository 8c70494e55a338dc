"""What has to be so of every page, at every width and in both colour schemes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request

from tests.browser.running import PASSWORD, USER, RunningFlower

Scheme = Literal["light", "dark"]
WIDTHS: Final = {"wide": (1280, 900), "narrow": (390, 844)}
SCHEMES: Final[tuple[Scheme, ...]] = ("light", "dark")
_CONTRAST_MIN: Final = 4.5  # WCAG 2, AA, for text of normal size
# Text that can be seen, with the colour behind it: the first of its ancestors' that is not transparent.
_CONTRASTS: Final = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = colour => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = element => {
    for (let each = element; each; each = each.parentElement) {
      const colour = rgba(getComputedStyle(each).backgroundColor);
      if (colour[3] > 200) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll(".balance-page *")) {
    const text = [...element.childNodes].filter(n => n.nodeType === 3).map(n => n.textContent.trim()).join("");
    if (!text || !element.checkVisibility() || element.tagName === "OPTION") continue;
    const [a, b] = [luminance(rgba(getComputedStyle(element).color)), luminance(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    found.push([ratio, `${element.tagName}.${element.className} ${text.slice(0, 40)}`]);
  }
  return found;
}
"""
_UNLABELLED: Final = """
() => [...document.querySelectorAll(".balance-page input, .balance-page select, .balance-page textarea, button")]
  .filter(each => each.type !== "hidden")
  .filter(each => !(each.labels?.length || each.ariaLabel || each.textContent.trim()))
  .map(each => each.outerHTML)
"""
_TOO_WIDE: Final = "() => [document.documentElement.scrollWidth, window.innerWidth]"


@dataclass
class Look:
    """A page in a tab, and what the browser had to complain of since it was opened."""

    flower: RunningFlower
    tab: Page
    complaints: list[str] = field(default_factory=list)

    def visit(self, path: str, status: int = 200) -> Page:
        """The page at this path, which answers with this status."""
        answer = self.tab.goto(f"{self.flower.url}{path}")
        assert answer is not None
        assert answer.status == status, (path, answer.status, answer.text()[:500])
        if status >= 400:  # the browser says so of the page itself
            self.complaints[:] = [each for each in self.complaints if f"status of {status}" not in each]
        return self.tab

    def become(self, width: str, scheme: Scheme) -> None:
        """The same page in a window of another width, or in the other colours."""
        across, down = WIDTHS[width]
        self.tab.set_viewport_size({"width": across, "height": down})
        self.tab.emulate_media(color_scheme=scheme)

    def press(self, link: Locator) -> Page:
        """The page that a link or a button leads to."""
        with self.tab.expect_navigation():
            link.click()
        return self.tab

    def assert_sound(self) -> None:
        """A heading, labels, text that can be read, nothing that sticks out, nothing of elsewhere, no errors."""
        tab = self.tab
        assert tab.locator("h1").count() == 1, tab.url
        assert tab.locator("h1").inner_text().strip(), tab.url
        assert tab.evaluate(_UNLABELLED) == [], tab.url
        width, room = tab.evaluate(_TOO_WIDE)
        assert width <= room, f"{tab.url} is {width} wide in a window of {room}"
        contrasts = tab.evaluate(_CONTRASTS)
        assert len(contrasts) > 5, tab.url
        faint = [f"{ratio:.2f} {text}" for ratio, text in contrasts if ratio < _CONTRAST_MIN]
        assert not faint, f"{tab.url}: {faint}"
        assert not self.complaints, f"{tab.url}: {self.complaints}"


@contextmanager
def looking(browser: Browser, flower: RunningFlower, width: str = "wide", scheme: Scheme = "light") -> Iterator[Look]:
    """A tab of its own, with no cookie of another; what Flower is made of is loaded once for all."""
    context = browser.contexts[0] if browser.contexts else _context(browser)
    tab = context.new_page()
    try:
        look = Look(flower, tab)
        look.become(width, scheme)
        host = urlsplit(flower.url).netloc

        def note(request: Request) -> None:
            if urlsplit(request.url).netloc not in (host, ""):
                look.complaints.append(f"asks {request.url}")

        look.tab.on("request", note)
        look.tab.on("pageerror", lambda error: look.complaints.append(str(error)))
        look.tab.on("console", lambda said: look.complaints.append(said.text) if said.type == "error" else None)
        yield look
    finally:
        tab.close()
        context.clear_cookies()


def _context(browser: Browser) -> BrowserContext:
    login = {"username": USER, "password": PASSWORD}  # said to a Flower that asks for it, and to no other
    return browser.new_context(reduced_motion="reduce", http_credentials=login)  # type: ignore[arg-type]  # it is one
