"""Lives of a wallet: a history as the product carries it out, and as the slow model does beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from models.domain.credits import balance as credits
from models.domain.deciding.commands import Job
from models.domain.ids import second_id
from models.domain.outcome import Code
from tests.property.coins import Terms
from tests.property.memory import Rows, at, number_id
from tests.property.model import Refused, Wallet
from tests.property.steps import ALL, ODD, History, Step
from tests.support.builders import job

Ask = Callable[[Wallet, UUID], Code]
"""What a step asks of the model, for the job with this id."""


class Life:
    """A wallet of the product, and its model unless that is not wanted."""

    def __init__(self, floor: int, *, modelled: bool = True) -> None:
        self.rows = Rows(floor)
        self.model = Wallet(floor) if modelled else None
        self.asked = 0  # steps so far
        self.swept = 10**6  # sweeps are numbered by themselves: a step has its id whether or not they run
        self.made: list[tuple[str, UUID]] = []  # jobs that were applied: what they were, and their ids
        self.answer: Code | None = None  # to the last step

    def through(self, history: History) -> Iterator[Step | str]:
        """Lives the history. Stops after each thing that happened, and says what: "wait", a sweep, or the step."""
        for step in history.steps:
            self.wait(step.wait)
            yield "wait"
            for kind in step.sweeps:
                self.sweep(kind)
                yield kind
            self.do(step)
            yield step

    def wait(self, minutes: int) -> None:
        self.rows.now += minutes
        if self.model is not None:
            self.model.wait(minutes)

    def sweep(self, kind: str) -> None:
        for asked, of in self.rows.sweep(kind):
            self.swept += 1
            decision = self.rows.do(asked, self.swept)
            assert decision.code in (Code.APPLIED, Code.UNCHANGED)
            if self.model is not None and kind == "expired":
                assert (decision.code is Code.APPLIED) is (self.model.sweep(self.model.pots[of]) > 0)

    def do(self, step: Step) -> Code | None:
        """The answer to the step; None where there is nothing yet that it could be about."""
        self.asked += 1
        self.answer = None
        makes: Callable[[Step], tuple[Job, Ask] | None] = getattr(self, f"_{step.what}")
        if (made := makes(step)) is None:
            return None
        asked, ask = made
        self.answer = self.rows.do(asked, self.asked).code
        if self.model is not None:
            assert self.answer is self._expected(ask, step), f"{step} is answered {self.answer}"
        if self.answer is Code.APPLIED:
            self.made.append((step.what, number_id(self.asked)))
        return self.answer

    def expected(self) -> dict[str, Decimal | int]:
        """What the model shows, in the words of Rows.shown."""
        model = self.model
        assert model is not None
        return {
            "credit": model.credit,
            "held": model.held,
            "spendable": model.spendable,
            "ledger": model.balance,
            **{f"grant {pot.id}": pot.left for pot in model.pots.values() if pot.left},
        }

    def _expected(self, ask: Ask, step: Step) -> Code:
        assert self.model is not None
        if step.fields.get("since", 0) > 0:
            return Code.OCCURRED_IN_FUTURE
        try:
            return ask(self.model, number_id(self.asked))
        except Refused as refused:
            return refused.code

    # --- steps as jobs

    def _top_up(self, step: Step) -> tuple[Job, Ask]:
        fields = step.fields
        occurred, since = self._since(step)
        begins, ends, bonus_ends = (self._minute(step, name) for name in ("begins", "ends", "bonus_ends"))
        terms = Terms(fields.get("priority"), begins, ends)
        asked = job(
            "wallets.top_up",
            wallet_id="w",
            transaction_reason="INVOICE_REFUND",
            credits_to_add=fields["credits"],
            priority=terms.priority,
            effective_at=None if begins is None else at(begins),
            expiry_date_utc=None if ends is None else at(ends),
            bonus_credits_to_add=fields.get("bonus"),
            bonus_expiry_date_utc=None if bonus_ends is None else at(bonus_ends),
            **occurred,
        )

        def ask(model: Wallet, this: UUID) -> Code:
            bonus = None if fields.get("bonus") is None else (second_id(this), fields["bonus"], bonus_ends)
            return model.top_up(this, fields["credits"], terms, bonus, since)

        return asked, ask

    def _debit(self, step: Step) -> tuple[Job, Ask]:
        occurred, since = self._since(step)
        units, overdraft, price_type = self._units(step), step.fields.get("overdraft"), step.fields.get("price_type")
        asked = {"credits": units, "overdraft": overdraft, "price_type": price_type}
        return job("wallets.debit", wallet_id="w", **asked, **occurred), lambda model, this: model.debit(
            this, units, overdraft or 0, price_type, since
        )

    def _hold(self, step: Step) -> tuple[Job, Ask]:
        occurred, since = self._since(step)
        units, lasts, price_type = self._units(step), step.fields["lasts"], step.fields.get("price_type")
        asked = {"credits": units, "expires_in_s": lasts * 60, "price_type": price_type}
        return job("wallets.hold", wallet_id="w", **asked, **occurred), lambda model, this: model.hold(
            this, units, lasts, price_type, since
        )

    def _capture(self, step: Step) -> tuple[Job, Ask] | None:
        if (of := self._one_of(step, "debit" if step.of == ODD else "hold")) is None:
            return None
        part, final = step.fields.get("credits"), step.fields["final"]
        asked = job("holds.capture", job_id=str(of), credits=part, final=final)
        return asked, lambda model, this: model.capture(this, of, part, final=final)

    def _release(self, step: Step) -> tuple[Job, Ask] | None:
        if (of := self._one_of(step, "capture" if step.of == ODD else "hold")) is None:
            return None
        return job("holds.release", job_id=str(of)), lambda model, this: model.release(this, of)

    def _void(self, step: Step) -> tuple[Job, Ask] | None:
        if (of := self._one_of(step, "top_up")) is None:
            return None
        bonus = step.fields["bonus"]
        asked = job("grants.void", wallet_id="w", job_id=str(of), bonus=bonus, reason="asked", operator="me")
        return asked, lambda model, this: model.void(this, second_id(of) if bonus else of)

    def _reverse(self, step: Step) -> tuple[Job, Ask] | None:
        whats = ("hold", "reverse", "void") if step.of == ODD else ("top_up", "debit", "capture", "look")
        if (of := self._one_of(step, *whats)) is None:
            return None
        part, force = step.fields.get("credits"), step.fields["force"]
        asked = job("entries.reverse", job_id=str(of), credits=part, force=force)
        return asked, lambda model, this: model.reverse(this, of, part, force=force)

    def _update(self, step: Step) -> tuple[Job, Ask]:
        asked = dict(step.fields)
        terms = {new: asked[old] for old, new in _TERMS.items() if old in asked}
        if "config" in asked:
            types = set(asked["config"]["allowed_price_types"])
            terms["pays_for"] = {"USAGE", "FIXED"} if "ALL" in types else types
        policy = {new: asked[old] for old, new in _POLICY.items() if old in asked}
        if "auto_topup_trigger" in asked:
            policy["on"] = asked["auto_topup_trigger"] != "disabled"
        return job("wallets.update", wallet_id="w", **asked), lambda model, _: model.update(terms, policy)

    def _terminate(self, _: Step) -> tuple[Job, Ask]:
        return job("wallets.terminate", wallet_id="w"), lambda model, this: model.terminate(this)

    def _look(self, _: Step) -> tuple[Job, Ask] | None:
        """The scan, which does nothing when there is nothing to look at."""
        asked = self.rows.scan()
        if asked is None:
            return None
        return asked, lambda model, this: model.look(this, fired=self.answer is Code.APPLIED)

    # --- fields as the job and the model want them

    def _one_of(self, step: Step, *whats: str) -> UUID | None:
        found = [of for what, of in self.made if what in whats]
        return found[-1 - step.of % len(found)] if found else None

    def _units(self, step: Step) -> int:
        there = credits.spendable(self.rows.loaded(), at(self.rows.now))
        return max(1, there) if step.fields["credits"] == ALL else int(step.fields["credits"])

    def _minute(self, step: Step, name: str) -> int | None:
        minutes = step.fields.get(name)
        return None if minutes is None else self.rows.now + int(minutes)

    def _since(self, step: Step) -> tuple[dict[str, Any], int | None]:
        since = self._minute(step, "since")
        return ({}, None) if since is None else ({"occurred_at": at(since)}, since)


# What jobs call them, and what the model does.
_TERMS: Final = {"floor": "floor", "overdraft_allowed": "overdraft_allowed", "wallet_status": "status"}
_POLICY: Final = {"auto_topup_min_balance": "minimum", "auto_topup_amount": "amount"}
