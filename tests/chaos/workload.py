"""The jobs of a run, drawn from its seed, and what they must come to: known before any of them is sent.

Nothing here asks the product: an account's balance is the sum of what was sent to it, whatever the order.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tests.chaos.endpoints import MAIN, NOWHERE, Endpoints, added
from tests.chaos.jobs import DONE, How, Job, Then, asked

HOT: Final = ("user:1", "wallet:hot")
_DEEP_UNITS: Final = -(10**12)  # a floor that nothing here reaches
_DEEP_CREDITS: Final = "-10000000000"
_USERS, _TIGHT_USERS, _WALLETS = range(2, 31), range(31, 36), range(20)
_TELEGRAM: Final = 700_000_000
_APPS: Final = range(4)
_AUTO: Final = range(3)
_POLICIES: Final = ("policy-0", "policy-1")
_HOLDING: Final = ("holding-0", "holding-1")
_OR_FUNDS: Final = frozenset({"applied", "insufficient_funds"})
_NOT_TAKEN_BACK: Final = frozenset({"applied", "unchanged"})  # what it gave may be held, or voided
_CREDIT: Final = {"transaction_reason": "PURCHASED_CREDIT_DIRECT"}
# How often each is drawn; the tasks of the publisher's own that it names.
_HOWS: Final[dict[How, tuple[int, int]]] = {
    "link": (4, 2), "chain": (4, 1), "nowhere": (2, 1), "money": (3, 0), "group": (1, 2), "chord": (1, 1),
    "link_error": (1, 1),
}  # fmt: skip
_FOLLOWED: Final = 0.15  # of those corrections that a service publishes through Celery itself


def opening(receiver: str = NOWHERE) -> list[Job]:
    """Makes the endpoint at `receiver` that is told everything, and the accounts. Settled before the first fault, so
    that no job is refused for having come too early."""
    jobs = [added(MAIN, receiver)]
    jobs += [_user(1, floor_kopeks=_DEEP_UNITS)]
    jobs += [_user(user, floor_kopeks=_DEEP_UNITS) for user in _USERS]
    jobs += [_user(user) for user in _TIGHT_USERS]
    jobs += [
        _wallet(name, floor=_DEEP_CREDITS)
        for name in ("hot", *map(str, _WALLETS), "gift", "given", *_HOLDING, *_POLICIES)
    ]
    policy = {"auto_topup_trigger": "balance_below_threshold", "auto_topup_min_balance": 10, "auto_topup_amount": 50}
    jobs += [_wallet(f"auto-{number}", **policy) for number in _AUTO]
    jobs += [
        Job("apps.upsert", asked(f"open-app-{app}", app_id=f"a{app}", store_id="1"), f"app:a{app}/1") for app in _APPS
    ]
    return jobs


def _user(user: int, **fields: Any) -> Job:
    arguments = asked(f"open-user-{user}", user_id=user, telegram_id=_TELEGRAM + user, **fields)
    return Job("users.upsert", arguments, f"user:{user}")


def _wallet(name: str, **fields: Any) -> Job:
    arguments = asked(f"open-wallet-{name}", wallet_id=name, scale=2, **fields)
    return Job("wallets.create", arguments, f"wallet:{name}")


class Workload:
    """An endless stream of jobs of one publisher, the same for the same seed. `main`: the id of the endpoint that is
    told everything at `receiver`; without it, nothing is asked of endpoints but to add some."""

    def __init__(self, name: str, seed: str, receiver: str = NOWHERE, main: str | None = None) -> None:
        self.name, self._random = name, random.Random(f"{seed}/{name}")
        self.endpoints = Endpoints(self._random, self._next, receiver, main)
        self._number = 0
        self._began = datetime.now(UTC)

    def __iter__(self) -> Iterator[Job]:
        kinds = {
            self._hot: 25, self._correction: 25, self._tight: 8, self._wallet_moves: 20, self._auto: 6, self._gift: 3,
            self._given: 2, self._hold: 5, self._app: 5, self._terms: 4, self._short_life: 2, self._wrong: 2,
            self._agreed: 4, self.endpoints.jobs: 1,
        }  # fmt: skip
        while True:
            [kind] = self._random.choices([*kinds], [*kinds.values()])
            yield from kind()

    def reversal(self, of: Job, job_id: str) -> Job:
        """Takes back what this job of a deep account did."""
        assert of.effect is not None, "only what moved something is taken back"
        return Job("entries.reverse", self._next(job_id=job_id), of.account, DONE, -of.effect)

    def leads_on(self, job: Job) -> bool:
        """Whether another job must come after this one."""
        return job.name in ("wallets.hold", "webhooks.add") or (
            job.name == "wallets.top_up" and job.account == "wallet:given"
        )

    def sequel(self, of: Job, job_id: str) -> Job:
        """What comes of a job that was settled: a hold is captured or released, what was given is voided, an endpoint
        is changed, and what moved a deep account is taken back."""
        if of.name == "webhooks.add":
            return self.endpoints.known(job_id)
        if of.name == "wallets.hold":
            if self._random.random() < 0.3:
                return Job("holds.release", self._next(job_id=job_id), of.account, effect=0)
            units = self._random.randint(1, 100)  # every hold is of that many at least
            return Job("holds.capture", self._next(job_id=job_id, credits=_credits(units)), of.account, effect=-units)
        if of.account == "wallet:given":
            told = {"wallet_id": "given", "job_id": job_id, "reason": "by mistake", "operator": "chaos"}
            return Job("grants.void", self._next(**told), of.account, effect=-(of.effect or 0))
        return self.reversal(of, job_id)

    def followed(self, job: Job) -> Job:
        """The job as it is, or with something that Celery is asked to do after it."""
        if job.name != "users.update_balance" or self._random.random() >= _FOLLOWED:
            return job
        [how] = self._random.choices([*_HOWS], [weight for weight, _ in _HOWS.values()])
        ids = tuple(f"{job.key}-then-{number}" for number in range(_HOWS[how][1]))
        following = replace(self._correction()[0], follows=True) if how == "money" else None
        return replace(job, then=Then(how, ids, following))

    def _next(self, **fields: Any) -> dict[str, Any]:
        self._number += 1
        return asked(f"{self.name}-{self._number}", **fields)

    def _hot(self) -> list[Job]:
        amount = self._random.randint(1, 500)
        if self._random.random() < 0.5:
            return [Job("users.update_balance", self._next(user_id=1, amount_kopeks=amount), "user:1", effect=amount)]
        return [self._top_up("hot", amount)]

    def _top_up(self, wallet: str, units: int, codes: frozenset[str] = DONE, **fields: Any) -> Job:
        arguments = self._next(wallet_id=wallet, credits_to_add=_credits(units), **_CREDIT, **fields)
        return Job("wallets.top_up", arguments, f"wallet:{wallet}", codes, units)

    def _debit(self, wallet: str, units: int, codes: frozenset[str] = DONE) -> Job:
        arguments = self._next(wallet_id=wallet, credits=_credits(units))
        return Job("wallets.debit", arguments, f"wallet:{wallet}", codes, -units)

    def _amount(self) -> int:
        return self._random.choice((1, -1)) * self._random.randint(1, 10_000)

    def _correction(self) -> list[Job]:
        user, amount = self._random.choice(_USERS), self._amount()
        who = {"user_id": user} if self._random.random() < 0.7 else {"telegram_id": _TELEGRAM + user}
        arguments = self._next(**who, amount_kopeks=amount)
        return [Job("users.update_balance", arguments, f"user:{user}", effect=amount)]

    def _tight(self) -> list[Job]:
        user, amount = self._random.choice(_TIGHT_USERS), self._amount()
        arguments = self._next(user_id=user, amount_kopeks=amount)
        return [Job("users.update_balance", arguments, f"user:{user}", _OR_FUNDS, amount)]

    def _wallet_moves(self) -> list[Job]:
        wallet, units = str(self._random.choice(_WALLETS)), self._random.randint(1, 10_000)
        return [self._top_up(wallet, units) if self._random.random() < 0.5 else self._debit(wallet, units)]

    def _auto(self) -> list[Job]:
        return [self._debit(f"auto-{self._random.choice(_AUTO)}", self._random.randint(100, 1_500), _OR_FUNDS)]

    def _gift(self) -> list[Job]:
        expires = datetime.now(UTC) + timedelta(seconds=self._random.randint(2, 8))
        codes = frozenset({"applied", "expiry_not_in_future"})  # it may have waited out an outage
        return [self._top_up("gift", self._random.randint(1, 500), codes, expiry_date_utc=expires.isoformat())]

    def _given(self) -> list[Job]:
        return [self._top_up("given", self._random.randint(1, 500), _NOT_TAKEN_BACK, priority=1)]

    def _hold(self) -> list[Job]:
        wallet, units = self._random.choice(_HOLDING), self._random.randint(100, 1_000)
        top_up = self._top_up(wallet, units, _NOT_TAKEN_BACK, priority=self._random.randint(0, 2))
        arguments = self._next(wallet_id=wallet, credits=_credits(units))
        return [top_up, Job("wallets.hold", arguments, f"wallet:{wallet}")]

    def _app(self) -> list[Job]:
        app, balance = self._random.choice(_APPS), self._random.randint(0, 10_000)
        fields = {"app_id": f"a{app}", "store_id": "1", "balance": balance}
        arguments = self._next(**fields, occurred_at=datetime.now(UTC).isoformat())
        codes = frozenset({"applied", "unchanged", "superseded"})
        return [Job("apps.update_balance", arguments, f"app:a{app}/1", codes)]

    def _terms(self) -> list[Job]:
        wallet, user = self._random.choice(_WALLETS), self._random.choice(_USERS)
        watched = self._random.choice((f"wallet:{wallet}", f"user:{user}", *HOT))
        thresholds = sorted({self._random.randint(-50, 50) for _ in range(self._random.randint(0, 3))})
        text = f"{self.name} {self._number}"
        either = frozenset({"applied", "unchanged"})
        return [
            Job("wallets.update", self._next(wallet_id=str(wallet), name=text), f"wallet:{wallet}", either),
            Job("users.upsert", self._next(user_id=user, username=text), f"user:{user}", either),
            Job("accounts.set_alerts", self._next(account=watched, thresholds=thresholds), watched, either),
        ]

    def _short_life(self) -> list[Job]:
        """Opened, filled and closed: in any order, since the queue's consumers are many."""
        name = f"{self.name}-{self._number}"
        early = frozenset({"applied", "wallet_not_found", "wallet_closed"})
        account = f"wallet:{name}"
        return [
            Job("wallets.create", self._next(wallet_id=name, scale=2), account),
            self._top_up(name, 500, early),
            Job("wallets.terminate", self._next(wallet_id=name), account, early),
        ]

    def _agreed(self) -> list[Job]:
        """What the owner of a policy does with it, in any order; and a charge that nobody made."""
        account = {"account": f"wallet:{self._random.choice(_POLICIES)}"}
        terms = {"trigger": "balance_below_threshold", "threshold": 10, "cooldown_s": self._random.choice((0, 5))}
        amount = {"amount": self._random.randint(1, 50), "monthly_cap": self._random.choice((500, 10**6))}
        maybe = frozenset({"applied", "unchanged", "policy_not_found", "top_up_held"})
        asked = self._random.choice(("run_now", "run_now", "resume", "cancel"))
        nobody = self._next(charge_id=str(uuid.UUID(int=self._random.getrandbits(128))), status="succeeded")
        return [
            Job("auto_topup.set_policy", self._next(**account, **terms, **amount), account["account"]),
            Job(f"auto_topup.{asked}", self._next(**account), account["account"], maybe),
            Job("charges.settle", nobody, None, frozenset({"charge_not_found"})),
        ]

    def _wrong(self) -> list[Job]:
        """Refused, with an answer."""
        nobody = self._next(user_id=999_999, amount_kopeks=1)
        nothing = self._next(user_id=1, amount_kopeks=0)
        return [
            Job("users.update_balance", nobody, None, frozenset({"user_not_found"})),
            Job("users.update_balance", nothing, None, frozenset({"amount_zero"}), valid=False),
        ]


def _credits(units: int) -> str:
    return f"{units // 100}.{units % 100:02d}"
