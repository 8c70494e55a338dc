"""Flower behind its door, with our pages: it answers to names of its own, to its own pages, and to nobody before the
login.

A page of a stranger in an operator's browser could otherwise reach a Flower on this machine: under a name of the
stranger's that leads here (DNS rebinding), or with requests of its own.
"""

from __future__ import annotations

import logging
import sys
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from worker.celery_app import App
from worker.observability.log.configuring import configure_logging

_FLOWER: Final = "flower.command"
_HOST: Final = "Flower does not answer to this name; the names that it answers to are BALANCE_FLOWER_HOSTS\n"
_ORIGIN: Final = "Flower answers to its own pages only\n"


def guard_flower(app: App) -> None:
    """Puts the guard before Flower, where this process is to run one: Celery has loaded its command by then."""
    if (command := sys.modules.get(_FLOWER)) is None:
        return
    from flower.views.monitor import Metrics
    from tornado.web import authenticated

    if getattr(command.Flower, "guarded", False):
        return
    Metrics.get = authenticated(Metrics.get)  # task names, queues and counts: the only page that asked for no login
    command.Flower = _guarded(command.Flower, app)  # type: ignore[attr-defined]  # a module


def _guarded(flower: Any, app: App) -> Any:
    from flower.app import rewrite_handler
    from tornado.web import RequestHandler

    from worker.flower.health import Watch
    from worker.flower.loading import Templates
    from worker.flower.pages.catalogue import PAGES, routes
    from worker.flower.pages.reader import Reader
    from worker.flower.runs import Runs

    class Refusal(RequestHandler):
        """Whatever was asked for."""

        def initialize(self, why: str) -> None:
            self.why = why

        def check_xsrf_cookie(self) -> None:
            """It is refused anyway."""

        def prepare(self) -> None:
            self.set_status(403)
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(self.why)

    class GuardedFlower(flower):  # type: ignore[misc]  # untyped
        guarded = True

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            settings = app.runtime.settings
            root = logging.getLogger()
            root.handlers[:] = [each for each in root.handlers if type(each) is not logging.StreamHandler]  # Tornado's
            configure_logging(settings.log_level, settings.log_format)
            self.names = frozenset({"localhost", *filter(None, settings.flower_hosts.lower().split(","))})
            super().__init__(*args, template_loader=Templates(), **kwargs)
            self.pages, self.reader, self.runs = PAGES, Reader(settings), Runs()
            self.watch = Watch(app, settings)
            prefix = self.options.url_prefix
            self.add_handlers(".*", [rewrite_handler(each, prefix) if prefix else each for each in routes()])

        def stop(self) -> None:
            super().stop()
            self.runs.close()
            self.watch.close()
            self.reader.close()

        def find_handler(self, request: Any, **kwargs: Any) -> Any:
            if why := _refusal(request, self.names):
                return self.get_handler_delegate(request, Refusal, {"why": why})
            return super().find_handler(request, **kwargs)

    return GuardedFlower


def _refusal(request: Any, names: frozenset[str]) -> str | None:
    if not _is_own(request.host, names):
        return _HOST
    origin = request.headers.get("Origin")  # browsers send it with all that could change something
    if origin is None or request.headers.get("Sec-Fetch-Site") == "same-origin":
        return None
    return None if urlsplit(origin).netloc.lower() == request.host.lower() else _ORIGIN


def _is_own(host: str, names: frozenset[str]) -> bool:
    """Whether the `Host` of a request is a listed name, or an address: nobody else can make that lead here."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:  # brackets around what is no address
        return False
    try:
        ip_address(name)
    except ValueError:
        return name in names
    return True
