"""Accounts: looked for, and one of them: what is in it, what is spent first, its course, its entries."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection
from tornado.web import HTTPError, url

from models.domain.accounts import Account, Kind
from models.domain.jobs.reversals import REVERSIBLE
from models.store.read.accounts import (
    AccountNow,
    account_list,
    account_now,
    accounts_named,
    accounts_of_customer,
    name_of,
)
from models.store.read.page import Page as Rows
from worker.encoding.written import ACCOUNT_FORMS, TIME_FORMS, Unreadable, account_name, moment
from worker.flower.pages.accounts.chart import SIDE
from worker.flower.pages.accounts.one import PERIOD, PERIODS, REPLAYED, one
from worker.flower.pages.accounts.statement import StatementHandler
from worker.flower.pages.accounts.undo import UndoHandler
from worker.flower.pages.base import PageHandler
from worker.flower.pages.page import ID, Page

_ROWS: Final = 50
_LARGEST: Final = 2**63 - 1


class AccountsHandler(PageHandler):
    """In the order of their names, or those that are looked for."""

    name = "accounts"

    async def get(self) -> None:
        asked = {field: self.asked(field) for field in ("name", "customer", "kind")}
        trail, found, problem = self.trail_of(number), None, None
        try:
            kind = _kind(asked["kind"])
            after = trail[-1] if trail else None
            found = await self.read(lambda connection: _look(connection, asked, kind, after))
        except Unreadable as error:
            problem = str(error)
            self.set_status(400)
        self.show(
            "accounts.html", asked=asked, found=found, problem=problem, trail=trail, kinds=[*Kind],
            account_forms=ACCOUNT_FORMS,
        )  # fmt: skip


class AccountHandler(PageHandler):
    """One account: `name` in the URL."""

    name = "accounts"

    async def get(self) -> None:
        named, period, at = self.asked("name") or "", self.asked("period") or PERIOD, self.asked("at")
        trail = self.trail_of(number)
        try:
            target, then = account_name(named), None if at is None else moment(at)
            if period not in PERIODS:
                raise Unreadable(f"{period!r} is no period; there are {', '.join(PERIODS)}")
            before = trail[-1] if trail else None
            shown = await self.read(lambda connection: one(connection, target, then, PERIODS[period], before))
        except Unreadable as error:
            raise HTTPError(400, "%s", f"{error}.") from error
        if shown is None:
            raise HTTPError(404, "%s", f"There is no account {named}.")
        self.show(
            "account.html", shown=shown, account=shown.account, scale=shown.account.scale, at=at, period=period,
            periods=[*PERIODS], trail=trail, time_forms=TIME_FORMS, replayed=REPLAYED, reversible=REVERSIBLE,
            grants_shown=_ROWS, side=SIDE,
        )  # fmt: skip


def number(text: str) -> int:
    """The id of an account, or the number of an entry. Raises ValueError."""
    found = int(text)
    if not 0 < found <= _LARGEST:
        raise ValueError(text)
    return found


def _kind(text: str | None) -> Kind | None:
    if text is not None and text not in [*Kind]:
        raise Unreadable(f"{text!r} is no kind; there are {', '.join(Kind)}")
    return None if text is None else Kind(text)


def _look(
    connection: Connection, asked: dict[str, str | None], kind: Kind | None, after_id: int | None
) -> Rows[AccountNow]:
    """A page of accounts. Raises Unreadable."""
    name, customer = asked["name"], asked["customer"]
    after = None if after_id is None else name_of(connection, after_id)
    if name is not None:
        found = _named(connection, name)
    elif customer is not None:
        found = accounts_of_customer(connection, customer, _ROWS, after)
    else:
        return account_list(connection, kind, _ROWS, after)
    return Rows(tuple(each for each in found.rows if _fits(each.account, kind, customer)), found.more)


def _named(connection: Connection, name: str) -> Rows[AccountNow]:
    """The account of this name; or those of any kind, where it names none."""
    if name.partition(":")[0] not in [*Kind]:
        return accounts_named(connection, name)
    found = account_now(connection, account_name(name))
    return Rows(() if found is None else (found,), more=False)


def _fits(found: Account, kind: Kind | None, customer: str | None) -> bool:
    return kind in (None, found.key.kind) and customer in (None, getattr(found.profile, "customer_id", None))


PAGE: Final = Page(
    "accounts",
    "Accounts",
    "accounts",
    AccountsHandler,
    [
        url(r"/account", AccountHandler, name="account"),
        url(r"/account/statement", StatementHandler, name="statement"),
        url(rf"/jobs/{ID}/undo", UndoHandler, name="undo"),
    ],
)
