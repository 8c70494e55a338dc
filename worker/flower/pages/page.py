"""A page of ours as the navigation knows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tornado.web import url

from worker.flower.pages.base import PageHandler

ID: Final = "([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
"""In the pattern of a route: the id of a row."""


@dataclass(frozen=True, slots=True)
class Page:
    """What the link leads to has the page's name; `more` is what belongs to it: one row, what is done with it."""

    name: str
    title: str  # in the navigation
    path: str  # without the slash that it begins with
    handler: type[PageHandler]
    more: Sequence[Any] = ()  # tornado.web.url

    @property
    def routes(self) -> list[Any]:
        return [url(f"/{self.path}", self.handler, name=self.name), *self.more]
