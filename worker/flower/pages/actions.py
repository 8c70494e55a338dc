"""What changes something: a form that is posted by somebody who is known, means it, and says why."""

from __future__ import annotations

import asyncio
import re
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, TypeVar

import structlog
from sqlalchemy import Engine
from tornado.web import HTTPError, RequestHandler

from balance_client import InvalidJob, JobParked, OutcomeTimeout, PublishFailed
from balance_client.publishing.confirmed import NotAccepted
from models.contracts.replies.outcome import encode
from worker.brokers.own_client import UnknownProducer, client_of
from worker.database import engine_for
from worker.database_trouble import database_trouble
from worker.encoding.urls import mask_url
from worker.flower.pages.base import PageHandler
from worker.settings.settings import Settings

T = TypeVar("T")

_LOG: Final = structlog.get_logger(__name__)
REASON_MAX: Final = 500
_WAIT_S: Final = 10.0  # for the outcome, while the operator looks at the form
_KEY: Final = re.compile("flower-[0-9a-f]{32}")


def trouble_of(error: Exception, settings: Settings) -> str:
    """What a database or a broker has against something, and what to do; anything else stands in Flower's log."""
    if isinstance(error, NotAccepted):
        return f"the broker did not take it ({mask_url(str(error))}): see that it runs, and do it again"
    if (known := database_trouble(error, lambda: settings.database_url)) is not None:
        return known
    _LOG.error(
        "flower.failed", error=mask_url(repr(error)), exc_info=error,
        next="this is a mistake in balance-worker: report it with these lines",
    )  # fmt: skip
    return "a mistake of balance-worker's, which Flower's log tells"


class ActionHandler(PageHandler):
    """`post` checks, calls `act`, and goes back to `back` with what `act` said. The form is templates/action.html.

    What is done goes through the queue as every job does, with `operator` and `reason` recorded.
    """

    asks_reason: ClassVar[bool] = True

    @property
    def reason(self) -> str:
        """Why the operator does it."""
        said: str = self.get_body_argument("reason", "")
        return said

    @property
    def key(self) -> str:
        """The idempotency key that the form was made with: a form that is sent twice does one thing."""
        said: str = self.get_body_argument("key", "")
        if not _KEY.fullmatch(said):
            raise HTTPError(400, "Nothing was done: the form is none of ours; begin with its page.")
        return said

    async def submit(self, name: str, fields: Mapping[str, Any], producer: str | None = None) -> str:
        """Publishes a job under the form's key, with who asks for it and why in its metadata.

        Returns what became of it once it is known. Raises HTTPError when it was refused, or could not be published.
        """
        metadata = {**fields.get("metadata", {}), "operator": self.operator, "reason": self.reason}
        body = {"idempotency_key": self.key, **fields, "metadata": metadata}
        return await asyncio.to_thread(self._settled, name, body, producer)

    async def perform(self, what: Callable[[Engine, Settings], T]) -> T:
        """What `what` returns, having done what the command of the same name does: under the role of
        BALANCE_DATABASE_URL, in a thread. Raises HTTPError when the database or the broker does not let it."""
        return await asyncio.to_thread(self._performed, what)

    def _performed(self, what: Callable[[Engine, Settings], T]) -> T:
        settings = self.capp.runtime.settings
        engine = engine_for(settings)
        try:
            return what(engine, settings)
        except HTTPError:
            raise
        except Exception as error:
            said = f"It was not done, or not all of it: {trouble_of(error, settings)}."
            raise HTTPError(503, "%s", said, reason="Service Unavailable") from error
        finally:
            engine.dispose()

    def _settled(self, name: str, body: dict[str, Any], producer: str | None) -> str:
        settings = self.capp.runtime.settings
        key = body["idempotency_key"]
        try:
            with client_of(settings, producer) as client:
                outcome = client.submit((name, body)).get(_WAIT_S)
        except InvalidJob as error:
            raise HTTPError(400, "%s", f"Nothing was done: {'; '.join(error.sentences)}.") from error
        except UnknownProducer as error:
            raise HTTPError(409, "%s", f"Nothing was done: {error}.") from error
        except PublishFailed as error:
            said = f"The broker did not take it: {mask_url(str(error))}. See that it runs, and send the form again."
            raise HTTPError(503, "%s", said) from error
        except JobParked as error:
            raise HTTPError(409, "%s", f"Nothing was done: {error}; it is among the dead letters.") from error
        except OutcomeTimeout:
            return f"{name} waits in the queue under the key {key}: no outcome came within {_WAIT_S:g} s."
        if outcome.error is not None:
            raise HTTPError(409, "%s", f"Refused ({outcome.code}): {_sentence(outcome.error.body)}")
        return f"{name}: {outcome.code}, by job {outcome.job_id}."

    @abstractmethod
    async def act(self, *where: str) -> str:
        """Does it; returns a line for the operator. `where`: what stands in the URL. Raises HTTPError, 409 where it
        cannot be done."""

    @abstractmethod
    def back(self, *where: str) -> str:
        """The page that is shown next."""

    def check_xsrf_cookie(self) -> None:
        self.current_user  # noqa: B018  # who is not known is told so, and nothing about tokens
        super().check_xsrf_cookie()  # where the request came from
        RequestHandler.check_xsrf_cookie(self)  # Flower asks for no token where there is basic authentication

    async def post(self, *where: str) -> None:
        if self.read_only is not None:
            raise HTTPError(403, "%s", self.read_only)
        if not self.get_body_argument("confirmed", ""):
            raise HTTPError(400, "Nothing was done: tick the box that says that you mean it.")
        if self.asks_reason and not self.reason:
            raise HTTPError(400, "Nothing was done: say why; whoever looks later has nothing else to go by.")
        if len(self.reason) > REASON_MAX:
            raise HTTPError(400, f"Nothing was done: a reason has at most {REASON_MAX} characters.")
        done = await self.act(*where)
        _LOG.info("flower.acted", path=self.request.path, operator=self.operator, reason=self.reason, done=done)
        self.tell(done)
        self.redirect(self.back(*where), status=303)


def _sentence(body: Any) -> str:
    """What the body of an error says to people, where it has the form that wallets and reversals are answered in."""
    try:
        return f"{body['error']['message']}."
    except (KeyError, TypeError):
        return encode(body)
