"""Auto top-up: which policies there are and where they stand, one of them in a sentence, resumed or run now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Final
from urllib.parse import urlencode

from sqlalchemy import Connection
from tornado.web import HTTPError, url

from models.contracts.jobs.top_ups import AutoTopupResume, AutoTopupRunNow
from models.domain.accounts import AccountKey, Kind
from models.domain.deciding.commands import TelegramUser
from models.domain.deciding.decision import Limits
from models.store.read.charges import ChargeShown, ChargingNow, charge_list, charging_now
from models.store.read.looks import LookShown, looks
from models.store.read.page import Searched
from models.store.read.top_ups import TopUpStanding, Which, search, standing
from worker.encoding.written import ACCOUNT_FORMS, Unreadable, account_name
from worker.flower.pages.actions import ActionHandler
from worker.flower.pages.base import PageHandler
from worker.flower.pages.page import Page
from worker.flower.pages.top_ups import charges
from worker.runtime import limits_of
from worker.wording.charges import price
from worker.wording.fields import policy_facts
from worker.wording.policies import short, standing_facts, terms
from worker.wording.top_ups import NO_POLICY, sentence

_ROWS: Final = 50
_LOOKED_AT: Final = 10_000  # policies, for one page
_LAST: Final = 20  # charges and looks of one account
_JOBS: Final = 10_000  # jobs of one account among which looks are looked for
_NO_TIME: Final = timedelta(0)


@dataclass(frozen=True, slots=True)
class _Story:
    standing: TopUpStanding
    charges: tuple[ChargeShown, ...]
    looks: list[LookShown]


@dataclass(frozen=True, slots=True)
class _Answer:
    found: Searched[TopUpStanding]
    now: ChargingNow


class _TopUps(PageHandler):
    name = "top_ups"

    @property
    def limits(self) -> Limits:
        return limits_of(self.capp.runtime.settings)

    @property
    def scan_every_s(self) -> float:
        return float(self.capp.runtime.settings.topup_scan_every_s)

    def account(self) -> AccountKey | TelegramUser:
        """The account that the URL names. Raises Unreadable."""
        name = account_name(self.asked("account") or "")
        if isinstance(name, AccountKey) and name.kind is Kind.APP:
            raise Unreadable("only wallets and users are topped up")
        return name


class TopUpsHandler(_TopUps):
    """Policies, those of one standing or all, and whether anything is charged at all."""

    async def get(self) -> None:
        which, problem, trail, limits = self.asked("which") or Which.ALL, None, self.trail_of(int), self.limits
        if self.asked("account"):
            try:
                self.account()
            except Unreadable as error:
                problem = str(error)
                self.set_status(400)
            else:
                self.redirect(f"{self.reverse_url('top_up')}?{urlencode({'account': self.asked('account') or ''})}")
                return
        if which not in [*Which]:
            raise HTTPError(400, f"There are policies that are {', '.join(Which)}.")
        answer = await self.read(
            lambda connection: _Answer(
                search(connection, limits, Which(which), _ROWS, _LOOKED_AT, trail[-1] if trail else None),
                charging_now(connection, waits_long=_NO_TIME, due_long=_NO_TIME),
            )
        )
        self.show(
            "top_ups.html", asked=self.asked("account"), answer=answer, which=which, kinds=[*Which], trail=trail,
            problem=problem, charging_on=self.capp.runtime.settings.charging, looked_at=_LOOKED_AT,
            account_forms=ACCOUNT_FORMS, sentence=lambda found: sentence(found, self.scan_every_s), short=short,
            terms=_terms,
        )  # fmt: skip


class TopUpHandler(_TopUps):
    """One account's auto top-up: why it fires or not, what was decided, what was charged."""

    async def get(self) -> None:
        try:
            name = self.account()
        except Unreadable as error:
            raise HTTPError(400, "%s", f"{error}.") from error
        limits = self.limits
        story = await self.read(lambda connection: _story(connection, name, limits))
        if story is None:
            raise HTTPError(404, "%s", f"There is no account {name}.")
        found = story.standing
        self.show(
            "top_up.html", story=story, found=found, said=sentence(found, self.scan_every_s),
            facts=standing_facts(found), agreed=policy_facts(found.account), short=short,
            suspended=found.account.policy is not None and found.account.policy.suspended is not None,
            price=price,
        )  # fmt: skip


class _Ask(ActionHandler):
    """A job about an account's auto top-up."""

    name = "top_ups"
    job: ClassVar[str]

    @property
    def account(self) -> str:
        return self.asked("account") or ""

    async def act(self, *where: str) -> str:
        return await self.submit(self.job, {"account": self.account})

    def back(self, *where: str) -> str:
        return f"{self.reverse_url('top_up')}?{urlencode({'account': self.account})}"


class ResumeHandler(_Ask):
    job = AutoTopupResume.NAME


class RunNowHandler(_Ask):
    job = AutoTopupRunNow.NAME


def _story(connection: Connection, name: AccountKey | TelegramUser, limits: Limits) -> _Story | None:
    found = standing(connection, name, limits)
    if found is None:
        return None
    account_id = found.account.id
    last = charge_list(connection, _LAST, account_id=account_id)
    return _Story(found, last.rows, looks(connection, account_id, _LAST, _JOBS))


def _terms(found: TopUpStanding) -> tuple[str, str]:
    return terms(found.account.policy or NO_POLICY, found.account.scale)


PAGE: Final = Page(
    "top_ups",
    "Auto top-up",
    "auto-topup",
    TopUpsHandler,
    [
        url("/auto-topup/account", TopUpHandler, name="top_up"),
        url("/auto-topup/account/resume", ResumeHandler, name="top_up_resume"),
        url("/auto-topup/account/run-now", RunNowHandler, name="top_up_run_now"),
        *charges.ROUTES,
    ],
)
