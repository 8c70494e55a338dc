"""What a wallet's number means, and the one way in which it moves.

    balance   = Σ entries
    expired   what is left of grants whose time is over and which the sweep has not taken yet
    future    what is left of grants that have not begun
    held      reserved by open holds
    plain     = balance - what is left of all grants - held
    credit    = balance - expired - future: what is shown
    spendable = credit - held, and the floor below it

What always holds after a move: while plain credits are negative no grant is open. A debt is paid by grants, in the
order in which a debit uses them, as soon as both are there: by the next move, whichever it is. Time changes nothing but
what these words count, so no end depends on when a sweep runs: a move first does what time has brought since the last.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from models.domain import ledger
from models.domain.accounts import Account
from models.domain.credits.grants import Draw, Grant, consumption_order
from models.domain.credits.holds import Hold, HoldChange, HoldEnd, HoldPart, HoldVerb
from models.domain.ledger import Entry, EntryDetails

_NO_GRACE = timedelta(0)


class Move:
    """What one job does to a wallet, step by step; `post` makes it an entry.

    `now` is the time of the decision. `since`, when the job says when it happened: grants that were open then are open
    for it, for as long as the sweep waits for such jobs (`grace`).
    """

    def __init__(
        self, account: Account, now: datetime, since: datetime | None = None, grace: timedelta = _NO_GRACE
    ) -> None:
        self.account = account
        self.now = now
        self.balance = account.balance
        self.grants = {grant.id: grant for grant in account.grants}
        self.holds = {hold.id: hold for hold in account.holds}
        self.draws: list[Draw] = []
        self.paid: list[Draw] = []
        self.changes: list[HoldChange] = []
        self._since = since
        self._grace = grace
        if account.grants or account.holds:
            self._catch_up()

    # --- what there is

    @property
    def held(self) -> int:
        return sum(hold.remaining for hold in self.holds.values()) if self.holds else 0

    @property
    def plain(self) -> int:
        if not self.grants and not self.holds:  # most wallets, at every move
            return self.balance
        return self.balance - sum(grant.remaining for grant in self.grants.values()) - self.held

    @property
    def credit(self) -> int:
        """What is shown: without what has expired or has not begun."""
        return self.balance - sum(
            grant.remaining for grant in self.grants.values() if grant.remaining and not grant.open(self.now)
        )

    @property
    def spendable(self) -> int:
        """What this job may spend, less the floor."""
        return self.plain + sum(grant.remaining for grant in self.grants.values() if self._usable(grant))

    def _usable(self, grant: Grant) -> bool:
        """Whether this job may use it: it is open, or was when the job says it happened, and the sweep still waits."""
        if grant.open(self.now):
            return True
        since, end = self._since, grant.expires_at
        if since is None or end is None or grant.voided_at is not None:
            return False
        return grant.begun(min(since, self.now)) and since < end and self.now < end + self._grace

    # --- what changes

    def add(self, grant: Grant) -> None:
        self.grants[grant.id] = grant
        self.balance += grant.amount

    def draw(self, units: int) -> None:
        """Spends units: grants in their order first. What they do not cover comes from the plain credits."""
        for grant_id, part in _parts(filter(self._usable, self.grants.values()), units):
            self.take(grant_id, part)
        self.balance -= units

    def take(self, grant_id: UUID, units: int) -> None:
        """Takes units from one grant. The balance is the caller's."""
        if units:
            self.grants[grant_id] = self.grants[grant_id].less(units)
            self.draws.append((grant_id, units))

    def restore(self, grant_id: UUID, units: int) -> None:
        """Puts units back where they were spent from; what does not fit, or is over, returns as plain credits."""
        grant = self.grants.get(grant_id)
        if grant is not None and not grant.lapsed(self.now):
            self.take(grant_id, -grant.returned(units))

    def hold(self, hold: Hold) -> None:
        """Reserves the hold's units: grants in their order first."""
        backing = _parts(filter(self._usable, self.grants.values()), hold.remaining)
        for grant_id, part in backing:
            grant = self.grants[grant_id]
            self.grants[grant_id] = replace(grant, remaining=grant.remaining - part, held=grant.held + part)
        self.holds[hold.id] = replace(hold, backing=tuple(backing))
        parts = tuple(HoldPart(grant_id, part, -part) for grant_id, part in backing)
        self.changes.append(HoldChange(hold.id, HoldVerb.HOLD, hold.remaining, parts))

    def capture(self, hold_id: UUID, units: int) -> None:
        """Spends units that a hold has reserved."""
        self.holds[hold_id], taken = self.holds[hold_id].less(units, captured=True, ended=HoldEnd.CAPTURED)
        for grant_id, part in taken:
            grant = self.grants[grant_id]
            self.grants[grant_id] = replace(grant, held=grant.held - part)
        self.balance -= units
        parts = tuple(HoldPart(grant_id, -part, 0) for grant_id, part in taken)
        self.changes.append(HoldChange(hold_id, HoldVerb.CAPTURE, units, parts))

    def release(self, hold_id: UUID, units: int, ended: HoldEnd, spared: Collection[UUID] = ()) -> None:
        """Gives units of a hold back to where they came from. What comes back to a grant that is over is over too."""
        self.holds[hold_id], taken = self.holds[hold_id].less(units, captured=False, ended=ended, spared=spared)
        parts = []
        for grant_id, part in taken:
            grant = self.grants[grant_id]
            grant = replace(grant, held=grant.held - part)
            back = grant.returned(part)
            self.grants[grant_id] = grant.less(-back)
            parts.append(HoldPart(grant_id, -part, back))
        self.changes.append(HoldChange(hold_id, HoldVerb.RELEASE, units, tuple(parts)))

    def unback(self, grant_id: UUID, units: int) -> None:
        """Takes so many units of a grant from the holds that have them, the newest first. They keep plain ones."""
        for hold in self._newest_holds():
            backing = dict(hold.backing)
            if part := min(units, backing.get(grant_id, 0)):
                backing[grant_id] -= part
                self.holds[hold.id] = replace(hold, backing=tuple(draw for draw in backing.items() if draw[1]))
                grant = self.grants[grant_id]
                self.grants[grant_id] = replace(grant, held=grant.held - part)
                self.changes.append(HoldChange(hold.id, HoldVerb.UNBACK, 0, (HoldPart(grant_id, -part, 0),)))
                units -= part

    def _newest_holds(self) -> list[Hold]:
        return sorted(self.holds.values(), key=lambda hold: (hold.created_at, hold.id), reverse=True)

    def cut_holds(self, floor: int | None) -> None:
        """Gives up what holds have reserved and is not there any more, the newest hold first. What came from a grant
        that is over covers nothing when it comes back: it goes only when all the rest was not enough."""
        for hold in self._newest_holds():
            over = {grant_id: part for grant_id, part in hold.backing if self.grants[grant_id].lapsed(self.now)}
            missing = (floor or 0) - self.spendable
            if (units := min(missing, hold.remaining - sum(over.values()))) > 0:
                self.release(hold.id, units, HoldEnd.REVERSED, spared=over)
                self.pay_debt()
        if self.spendable < (floor or 0):
            for hold in self._newest_holds():
                if hold.remaining:
                    self.release(hold.id, hold.remaining, HoldEnd.REVERSED)

    def pay_debt(self, at: datetime | None = None) -> None:
        """While plain credits are negative, the grants that are open at this time pay. None: those that this job may
        use, so that what it holds never stands beside a debt."""
        debt = -self.plain
        if debt > 0:
            grants = self.grants.values()
            payers = filter(self._usable, grants) if at is None else (grant for grant in grants if grant.open(at))
            for grant_id, part in _parts(payers, debt):
                self.grants[grant_id] = self.grants[grant_id].less(part)
                self.paid.append((grant_id, part))

    def _catch_up(self) -> None:
        """What time has brought since the last move, in its order: holds that ran out, grants that began to a debt."""
        over = [(hold.expires_at, hold.id) for hold in self.holds.values() if hold.remaining and hold.lapsed(self.now)]
        # A grant is pending until a move has found it begun: what it did not pay then it does not pay after its end.
        begun = [grant.effective_at for grant in self.grants.values() if grant.pending and grant.begun(self.now)]
        times = sorted({at for at, _ in over} | {at for at in begun if at is not None})
        for time in times:
            for at, hold_id in over:
                if at == time:
                    self.release(hold_id, self.holds[hold_id].remaining, HoldEnd.EXPIRED)
            self.pay_debt(time)

    # --- what comes of it

    def result(self) -> Account:
        """The account with its grants and holds as they are now, and no entry."""
        grants = tuple(
            # Nothing is left to wait for: it has begun, or was taken before.
            replace(grant, pending=False) if grant.pending and (grant.begun(self.now) or not grant.remaining) else grant
            for grant in self.grants.values()
        )
        return replace(
            self.account,
            grants=grants,
            holds=tuple(self.holds.values()),
            granted=sum(grant.remaining for grant in grants),
            held=self.held,
        )

    def post(self, details: EntryDetails) -> tuple[Account, Entry]:
        """The account after the move, and its entry. Debts are paid by now, or by this."""
        self.pay_debt()
        if self.draws or self.paid or self.changes:
            details = replace(details, draws=tuple(self.draws), paid=tuple(self.paid), holds=tuple(self.changes))
        account = self.result() if self.grants or self.holds else self.account
        return ledger.post(account, self.balance - account.balance, details)


def credit(account: Account, at: datetime) -> int:
    """What a wallet shows at this time, in units; of any other account its balance."""
    return Move(account, at).credit if account.grants or account.holds else account.balance


def spendable(account: Account, at: datetime) -> int:
    """What can be spent of an account at this time, in units, less its floor."""
    return Move(account, at).spendable if account.grants or account.holds else account.balance


def held(account: Account, at: datetime) -> int:
    """What holds that have not run out reserve, in units."""
    return sum(hold.remaining for hold in account.holds if not hold.lapsed(at)) if account.holds else 0


def _parts(grants: Iterable[Grant], units: int) -> list[Draw]:
    """Up to `units` from these grants, in consumption order."""
    parts: list[Draw] = []
    for grant in consumption_order(grants):
        if units <= 0:
            break
        part = min(units, grant.remaining)
        parts.append((grant.id, part))
        units -= part
    return parts
