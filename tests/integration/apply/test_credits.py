"""What a wallet's number means, to the last case: each history with its right end, whether or not a sweep has run.

The first ones are histories from people who run credit systems that ended wrong although every sum added up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from models.domain.deciding.decision import Limits
from tests.support.builders import ask, balance, done, entries, grants_left, let_expire, shown, sweep
from tests.support.ledgers import Ledger, clock, let_time

FAR = "2999-01-01"


@dataclass
class Desk:
    """A wallet of scale 0, and the jobs by what somebody called them."""

    ledger: Ledger
    ids: dict[str, str]

    def open(self, **terms: Any) -> None:
        done(self.ledger, "wallets.create", wallet_id="w", scale=0, **terms)

    def top_up(self, credits: int, called: str = "", **fields: Any) -> dict[str, Any]:
        common = {"wallet_id": "w", "credits_to_add": credits, "transaction_reason": "INVOICE_REFUND"}
        return self._called(called, done(self.ledger, "wallets.top_up", **common, **fields))

    def debit(self, credits: int, called: str = "", **fields: Any) -> dict[str, Any]:
        return self._called(called, done(self.ledger, "wallets.debit", wallet_id="w", credits=credits, **fields))

    def hold(self, credits: int, called: str = "", **fields: Any) -> dict[str, Any]:
        return self._called(called, done(self.ledger, "wallets.hold", wallet_id="w", credits=credits, **fields))

    def reverse(self, of: str, **fields: Any) -> dict[str, Any]:
        return ask(self.ledger, "entries.reverse", job_id=self.ids[of], **fields)

    def over(self, called: str, ago: timedelta = timedelta(0)) -> None:
        """The time of a grant is over."""
        let_expire(self.ledger, self.ids[called], ago)

    def run_out(self, called: str) -> None:
        """The time of a hold is over."""
        let_time(self.ledger, "holds", "expires_at", only=self.ids[called])

    def _called(self, called: str, document: dict[str, Any]) -> dict[str, Any]:
        self.ids[called] = document["job_id"]
        return document


@pytest.fixture
def desk(ledger: Ledger) -> Desk:
    return Desk(ledger, {})


def debt_then_a_grant_that_expires(desk: Desk, between: Callable[[], object]) -> None:
    desk.open(floor=-100)
    desk.debit(50)
    desk.top_up(100, "grant", expiry_date_utc=FAR)
    desk.over("grant")


def a_debit_of_a_reversed_grant_comes_back(desk: Desk, between: Callable[[], object]) -> None:
    desk.open()
    desk.top_up(50)
    desk.top_up(100, "grant", expiry_date_utc=FAR)
    desk.debit(60, "debit")
    desk.reverse("grant", force=True)
    desk.reverse("debit")
    desk.over("grant")


def reversed_after_it_expired_unspent(desk: Desk, between: Callable[[], object]) -> None:
    desk.open()
    desk.top_up(100, "grant", expiry_date_utc=FAR)
    desk.over("grant")
    between()
    assert desk.reverse("grant", force=True)["code"] == "unchanged"


def reversed_after_it_expired_half_spent(desk: Desk, between: Callable[[], object]) -> None:
    desk.open(floor=-1000)
    desk.top_up(100, "grant", expiry_date_utc=FAR)
    desk.debit(60)
    desk.over("grant")
    between()
    desk.reverse("grant", force=True)


def a_forced_reversal_beside_open_grants(desk: Desk, between: Callable[[], object]) -> None:
    desk.open()
    desk.top_up(50, "plain")
    desk.top_up(40, "spent", priority=0)
    desk.debit(40)
    desk.top_up(70, priority=1)
    desk.reverse("spent", force=True)
    assert sorted(grants_left(desk.ledger).values()) == [0, 70], "plain credits pay first"
    desk.reverse("plain", force=True)
    assert sorted(grants_left(desk.ledger).values()) == [0, 30]


def a_debit_after_the_expiry_of_all_there_was(desk: Desk, between: Callable[[], object]) -> None:
    desk.open(floor=-100)
    desk.top_up(100, "grant", expiry_date_utc=FAR)
    desk.over("grant")
    between()
    desk.debit(30)


def expired_units_are_not_shown(desk: Desk, between: Callable[[], object]) -> None:
    desk.open()
    desk.top_up(99)
    desk.top_up(10, "grant", expiry_date_utc=FAR)
    desk.over("grant")


def a_hold_outlives_its_grant_and_is_released(desk: Desk, between: Callable[[], object]) -> None:
    desk.open()
    desk.top_up(10)
    desk.top_up(100, "grant", expiry_date_utc=FAR)
    desk.hold(80, "hold")
    desk.over("grant")
    between()
    done(desk.ledger, "holds.release", job_id=desk.ids["hold"])


def a_hold_outlives_its_grant_and_is_captured(desk: Desk, between: Callable[[], object]) -> None:
    desk.open()
    desk.top_up(10)
    desk.top_up(100, "grant", expiry_date_utc=FAR)
    desk.hold(80, "hold")
    desk.over("grant")
    between()
    done(desk.ledger, "holds.capture", job_id=desk.ids["hold"], credits=50)


def a_hold_runs_out(desk: Desk, between: Callable[[], object]) -> None:
    desk.open()
    desk.top_up(10)
    desk.top_up(100, priority=1)
    desk.hold(105, "hold")
    desk.run_out("hold")
    between()
    desk.debit(107)


def a_grant_begins_to_a_debt_and_expires(desk: Desk, between: Callable[[], object]) -> None:
    desk.open(floor=-100)
    desk.debit(30)
    desk.top_up(100, "grant", effective_at="2998-01-01T00:00:00Z", expiry_date_utc=FAR)
    assert shown(desk.ledger) == (-30, 0, -30), "it does not count yet"
    let_time(desk.ledger, "grants", "effective_at", ago=timedelta(seconds=2))
    between()
    desk.over("grant", timedelta(seconds=1))


def a_voided_grant_is_not_revived(desk: Desk, between: Callable[[], object]) -> None:
    desk.open()
    desk.top_up(100, "grant", priority=1)
    desk.debit(60, "debit")
    desk.hold(10, "hold")
    done(desk.ledger, "grants.void", wallet_id="w", job_id=desk.ids["grant"], reason="mistake", operator="o")
    done(desk.ledger, "holds.release", job_id=desk.ids["hold"])
    desk.reverse("debit")
    assert desk.reverse("grant", credits=61)["code"] == "insufficient_funds"


def parts_of_a_debit_come_back(desk: Desk, between: Callable[[], object]) -> None:
    desk.open()
    desk.top_up(5)
    desk.top_up(10, "grant", expiry_date_utc=FAR)
    desk.debit(12, "debit")
    for part in (1, 3, 4):
        desk.reverse("debit", credits=part)
    desk.over("grant")


ENDS: dict[str, tuple[Callable[[Desk, Callable[[], object]], None], tuple[int, int, int]]] = {
    # history: (credit, held, spendable) in the end
    "a: debt, then a grant that expires": (debt_then_a_grant_that_expires, (0, 0, 0)),
    "b: a debit of a reversed grant comes back": (a_debit_of_a_reversed_grant_comes_back, (50, 0, 50)),
    "c, d: reversed after it expired unspent": (reversed_after_it_expired_unspent, (0, 0, 0)),
    "d: reversed after it expired half spent": (reversed_after_it_expired_half_spent, (-60, 0, -60)),
    "e: a forced reversal beside open grants": (a_forced_reversal_beside_open_grants, (30, 0, 30)),
    "f: expired units are not shown": (expired_units_are_not_shown, (99, 0, 99)),
    "a debit after the expiry of all there was": (a_debit_after_the_expiry_of_all_there_was, (-30, 0, -30)),
    "a hold outlives its grant and is released": (a_hold_outlives_its_grant_and_is_released, (10, 0, 10)),
    "a hold outlives its grant and is captured": (a_hold_outlives_its_grant_and_is_captured, (10, 0, 10)),
    "a hold runs out": (a_hold_runs_out, (3, 0, 3)),
    "a grant begins to a debt and expires": (a_grant_begins_to_a_debt_and_expires, (0, 0, 0)),
    "a voided grant is not revived": (a_voided_grant_is_not_revived, (60, 0, 60)),
    "parts of a debit come back": (parts_of_a_debit_come_back, (5, 0, 5)),
}


@pytest.mark.parametrize("swept", ["at every moment", "in the end", "never"])
@pytest.mark.parametrize("name", ENDS)
def test_ends_right_whenever_the_sweep_runs(desk: Desk, name: str, swept: str) -> None:
    history, end = ENDS[name]
    history(desk, (lambda: sweep(desk.ledger)) if swept == "at every moment" else (lambda: None))
    assert shown(desk.ledger) == end
    if swept != "never":
        sweep(desk.ledger)
        assert shown(desk.ledger) == end, "the sweep is bookkeeping: it changes nothing that is shown"
        assert balance(desk.ledger, "wallet:w") == end[0]
        assert sweep(desk.ledger) == 0


def test_answers_show_what_is_there_by_time(desk: Desk) -> None:
    desk.open(conversion_rate=2)
    desk.top_up(99)
    desk.top_up(10, "grant", expiry_date_utc=FAR)
    desk.over("grant")
    response = desk.hold(9)["response"]
    assert (response["credit_balance"], response["balance"], response["held"]) == (99, 198, 9)


def test_a_top_up_into_debt_pays_it_and_grants_the_rest(desk: Desk) -> None:
    desk.open(floor=-100)
    desk.debit(50)
    desk.top_up(80, "grant", priority=1)
    assert grants_left(desk.ledger) == {entries(desk.ledger, "wallet:w")[1]["grant_id"]: 30}
    assert entries(desk.ledger, "wallet:w")[1]["paid"] == [[desk.ids["grant"], 50]]


GRACE = Limits(expiry_grace=timedelta(seconds=900))


@pytest.mark.parametrize(
    ("ago", "happened", "code"),
    [
        (timedelta(seconds=10), timedelta(seconds=20), "applied"),
        (timedelta(seconds=10), timedelta(seconds=5), "insufficient_funds"),
        (timedelta(seconds=901), timedelta(seconds=1000), "insufficient_funds"),
        (timedelta(seconds=10), None, "insufficient_funds"),
    ],
    ids=["it was open then", "it was over then", "too late", "says no time"],
)
def test_a_debit_that_waited_uses_what_was_there_when_it_happened(
    desk: Desk, ago: timedelta, happened: timedelta | None, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.support.builders.LIMITS", GRACE)
    desk.open()
    desk.top_up(100, "grant", expiry_date_utc=FAR)
    desk.over("grant", ago)
    now = clock(desk.ledger)
    at = {} if happened is None else {"occurred_at": (now - happened).isoformat()}
    for name in ("wallets.debit", "wallets.hold"):
        assert ask(desk.ledger, name, wallet_id="w", credits=40, **at)["code"] == code
    assert sweep(desk.ledger, GRACE) == (ago > GRACE.expiry_grace)


def test_a_top_up_that_waited_past_its_expiry_is_accepted_and_pays_a_debt(desk: Desk) -> None:
    desk.open(floor=-100)
    desk.debit(30)
    now = clock(desk.ledger)
    times = {
        "occurred_at": (now - timedelta(seconds=20)).isoformat(),
        "expiry_date_utc": (now - timedelta(seconds=10)).isoformat(),
    }
    desk.top_up(100, "grant", **times)
    assert shown(desk.ledger)[0] in (-30, 0)
    common = {"wallet_id": "w", "credits_to_add": 1, "transaction_reason": "INVOICE_REFUND"}
    later = {**times, "occurred_at": (now - timedelta(seconds=5)).isoformat()}
    assert ask(desk.ledger, "wallets.top_up", **common, **later)["code"] == "expiry_not_in_future"


@pytest.mark.parametrize("name", ["apps.update_balance", "wallets.debit", "users.upsert", "entries.reverse"])
def test_a_job_from_the_future_is_refused_and_freezes_nothing(desk: Desk, name: str) -> None:
    done(desk.ledger, "apps.upsert", app_id="a", store_id=1)
    done(desk.ledger, "users.upsert", user_id=1)
    desk.open()
    desk.top_up(10, "top-up")
    bodies: dict[str, dict[str, Any]] = {
        "apps.update_balance": {"app_id": "a", "store_id": 1, "balance": 9},
        "wallets.debit": {"wallet_id": "w", "credits": 1},
        "users.upsert": {"user_id": 1},
        "entries.reverse": {"job_id": desk.ids["top-up"]},
    }
    document = ask(desk.ledger, name, occurred_at="9999-12-31T00:00:00Z", **bodies[name])
    assert (document["status"], document["code"]) == ("rejected", "occurred_in_future")
    now = clock(desk.ledger)
    tolerated = (now + timedelta(seconds=20)).isoformat()
    assert done(desk.ledger, name, occurred_at=tolerated, **bodies[name])["status"] == "applied"
