"""Templates: ours beside Flower's, and Flower's navigation with our pages in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import flower
from tornado.template import BaseLoader, Template

_OURS: Final = Path(__file__).with_name("templates")
_FLOWERS: Final = Path(flower.__file__).with_name("templates")
_NAVIGATION: Final = "navbar.html"
_LINKS_END: Final = "</ul>"  # of the first list there: the pages of Flower
_LINKS: Final = '{% include "links.html" %}'


class Templates(BaseLoader):
    """What both have is ours."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.load(_NAVIGATION)  # a Flower in which our links have no place is noticed at the start

    def resolve_path(self, name: str, parent_path: str | None = None) -> str:
        return name

    def _create_template(self, name: str) -> Template:
        ours = _OURS / name
        text = (ours if ours.is_file() else _FLOWERS / name).read_text(encoding="utf-8")
        if name == _NAVIGATION:
            before, end, after = text.partition(_LINKS_END)
            if not end:
                raise RuntimeError("Flower's navigation is not what it was: pin the version that pyproject.toml allows")
            text = f"{before}{_LINKS}{end}{after}"
        return Template(text, name=name, loader=self)
