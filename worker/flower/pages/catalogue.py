"""Every page of ours, in the order of the navigation."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from tornado.web import StaticFileHandler, url

from worker.flower.pages import health, jobs, webhooks
from worker.flower.pages.accounts import handlers as accounts
from worker.flower.pages.dead_letters import handlers as dead_letters
from worker.flower.pages.page import Page
from worker.flower.pages.top_ups import handlers as top_ups

PAGES: Final[tuple[Page, ...]] = (
    jobs.PAGE, accounts.PAGE, dead_letters.PAGE, top_ups.PAGE, webhooks.PAGE, health.PAGE,
)  # fmt: skip
_STATIC: Final = Path(__file__).parents[1] / "static"


def routes() -> list[Any]:
    """Where each page is, and their style sheet."""
    own = url(r"/pages/static/(.*)", StaticFileHandler, {"path": _STATIC}, name="pages_static")
    return [route for page in PAGES for route in page.routes] + [own]
