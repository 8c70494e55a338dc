"""What every page has: the login, the database, Flower's look, and errors in a sentence."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from typing import Any, ClassVar, Final, TypeVar
from urllib.parse import urlencode
from uuid import UUID, uuid4

from flower.views import BaseHandler
from sqlalchemy import Connection
from tornado.web import HTTPError, authenticated

from worker.encoding.shown import decimal, indented, signed, when
from worker.encoding.visible import visible
from worker.flower.health import Watch
from worker.flower.pages.reader import Away, Reader
from worker.flower.runs import Runs

T = TypeVar("T")

_NOTICE: Final = "balance_notice"
_NOTICE_MAX: Final = 300
_TRAIL_MAX: Final = 100
_HEADERS: Final = {
    # Nothing of a stranger's text runs, whatever else goes wrong, and no other site shows our pages in its own.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_LF: Final = "\n"
NO_LOGIN: Final = (
    "Read-only: this Flower asks nobody who they are. To change something here, start it with FLOWER_BASIC_AUTH "
    "(under balance-worker up: BALANCE_FLOWER_BASIC_AUTH)."
)
READ_ONLY: Final = "Read-only: this Flower was started with --read-only."


class PageHandler(BaseHandler):  # type: ignore[misc]  # untyped
    """A page: `get` reads with `read` and answers with `show`. Nobody gets as far without Flower's login."""

    name: ClassVar[str]  # of the page in the navigation that it belongs to

    @property
    def reader(self) -> Reader:
        return self.application.reader  # type: ignore[no-any-return]  # worker/flower/guard.py sets it

    @property
    def runs(self) -> Runs:
        return self.application.runs  # type: ignore[no-any-return]  # the same

    @property
    def watch(self) -> Watch:
        return self.application.watch  # type: ignore[no-any-return]  # the same

    def set_default_headers(self) -> None:
        super().set_default_headers()
        for header, value in _HEADERS.items():
            self.set_header(header, value)

    @authenticated
    def prepare(self) -> None:
        """Whatever is asked for, and by whatever method."""

    async def read(self, what: Callable[[Connection], T]) -> T:
        """What `what` reads of one moment of the database. A database that is away ends the request with 503."""
        try:
            return await self.reader.read(what)
        except Away as error:
            raise HTTPError(503, "%s", str(error), reason="Service Unavailable") from error

    def get_template_namespace(self) -> dict[str, Any]:
        """What every template can use, those that are parts of another too."""
        return super().get_template_namespace() | {  # type: ignore[no-any-return]
            "name": self.name, "here": self.here, "when": when, "signed": signed, "decimal": decimal,
            "document": _document, "text": _text, "url_query": query,
            "back": "Previous: newer",
        }  # fmt: skip

    def show(self, template: str, **values: Any) -> None:
        """Answers with a template of ours, and with what the action before this page had to say."""
        self.render(template, notice=self._notice(), **values)

    def asked(self, name: str) -> str | None:
        """What a field of the form, or the URL, says; None when it says nothing."""
        found: str = self.get_query_argument(name, "")
        return found or None

    @property
    def trail(self) -> list[UUID]:
        """The rows after which each page began that led to this one: `before` in the URL."""
        return self.trail_of(UUID)

    def trail_of(self, read: Callable[[str], T]) -> list[T]:
        """The same where rows have ids of another form. `read` raises ValueError for what is none."""
        try:
            return [read(each) for each in self.get_query_arguments("before")][-_TRAIL_MAX:]
        except ValueError as error:
            raise HTTPError(400, "before is no id: begin with the first page") from error

    def here(self, **changes: Any) -> str:
        """This URL with other values of these parameters; None takes one away, a list repeats it."""
        kept = {name: self.get_query_arguments(name) for name in self.request.query_arguments if name not in changes}
        given = {name: value for name, value in changes.items() if value not in (None, [])}
        asked = query(**kept, **given)
        return f"{self.request.path}?{asked}" if asked else str(self.request.path)

    @property
    def read_only(self) -> str | None:
        """Why nothing can be changed here; None when it can be."""
        options = self.application.options
        if not (options.basic_auth or options.auth):
            return NO_LOGIN
        return READ_ONLY if options.read_only else None

    @property
    def operator(self) -> str:
        """Who is logged in: the user of basic authentication, or the name that OAuth gave."""
        if self.application.options.basic_auth:
            _, credentials = self.request.headers["Authorization"].split()
            return b64decode(credentials).decode().partition(":")[0]
        return str(self.current_user)

    def new_key(self) -> str:
        """The idempotency key of what a form on this page asks for."""
        return f"flower-{uuid4().hex}"

    def tell(self, notice: str) -> None:
        """A line for the page that is shown next."""
        self.set_secure_cookie(_NOTICE, notice[:_NOTICE_MAX], expires_days=None)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """In a sentence, on a page like the others; what nobody expected stands in Flower's log."""
        if status_code == 401:
            super().write_error(status_code, **kwargs)
            return
        if not hasattr(self, "_current_user"):
            self.current_user = None  # it is not asked again who this is
        error = kwargs.get("exc_info", (None, None))[1]
        expected = isinstance(error, HTTPError) and bool(error.log_message)
        said = error.get_message() if expected else "This page could not be made: Flower's log says why."
        self.show("trouble.html", title=self._reason, said=said)

    def _notice(self) -> str | None:
        found = self.get_secure_cookie(_NOTICE)
        if found is not None:
            self.clear_cookie(_NOTICE)
        return None if found is None else found.decode()


def query(**values: Any) -> str:
    """The parameters of a URL."""
    return urlencode(values, doseq=True)


def _document(json_text: str) -> str:
    """Stored JSON on lines of its own."""
    return visible(indented(json_text), keep=_LF)


def _text(text: object) -> str:
    """Text of a stranger: what cannot be seen is spelled out."""
    return visible(str(text))
