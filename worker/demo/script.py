"""What the demo sends, in its order, each with the answer that it must get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from models.domain.accounts import AccountKey, Kind
from worker.clock import now

PARKED: Final = "parked"


@dataclass(frozen=True, slots=True)
class Step:
    """One message and the answer that it must get."""

    says: str
    job: str
    arguments: Mapping[str, Any]
    code: str
    replayed: bool = False
    about: str | None = None  # the key of an earlier step, whose job this one names


@dataclass(frozen=True, slots=True)
class Script:
    """`run` keeps its accounts and keys apart from those of earlier runs."""

    run: str

    @property
    def wallet(self) -> AccountKey:
        return AccountKey(Kind.WALLET, f"wallet-{self.run}")

    @property
    def card(self) -> AccountKey:
        """A wallet with a card behind it."""
        return AccountKey(Kind.WALLET, f"card-{self.run}")

    @property
    def user(self) -> AccountKey:
        return AccountKey(Kind.USER, str(int(self.run, 16)))

    @property
    def app(self) -> AccountKey:
        return AccountKey(Kind.APP, f"{self.run}/store-1")

    def chapters(self) -> list[tuple[str, list[Step]]]:
        """The steps, by what they show."""
        wallet, user = {"wallet_id": self.wallet.ref}, {"user_id": int(self.user.ref)}
        app = {"app_id": self.run, "store_id": "store-1"}
        credit = wallet | self._key("top-up") | {"credits_to_add": "25.5", "transaction_reason": "INVOICE_PAYMENT"}
        correct = user | self._key("correct") | {"amount_kopeks": 50_000}
        balance = app | self._key("set") | {"balance": 2399}
        top_up, update_user, update_app = "wallets.top_up", "users.update_balance", "apps.update_balance"
        return [
            (
                "Accounts are opened",
                [
                    Step("a wallet", "wallets.create", wallet | self._key("w"), "applied"),
                    Step("a user", "users.upsert", user | self._key("u") | {"username": "demo"}, "applied"),
                    Step("an app in a store", "apps.upsert", app | self._key("a"), "applied"),
                ],
            ),
            (
                "The three contracts",
                [
                    Step("25.5 credits for a wallet", top_up, credit, "applied"),
                    Step("500.00 rubles for a user", update_user, correct, "applied"),
                    Step("2399 as an app's balance", update_app, balance, "applied"),
                ],
            ),
            (
                "The same messages again: the first answer, nothing applied twice",
                [
                    Step("the top-up", top_up, credit, "applied", replayed=True),
                    Step("the correction", update_user, correct, "applied", replayed=True),
                    Step("the app's balance", update_app, balance, "applied", replayed=True),
                ],
            ),
            (
                "What must not happen is answered with a reason",
                [
                    Step("a key with another amount", top_up, credit | {"credits_to_add": 26}, "idempotency_conflict"),
                    Step(
                        "more than the user has",
                        update_user,
                        user | self._key("overdraft") | {"amount_kopeks": -50_001},
                        "insufficient_funds",
                    ),
                    Step(
                        "a wallet that is not there",
                        top_up,
                        credit | self._key("nowhere") | {"wallet_id": "nowhere"},
                        "wallet_not_found",
                    ),
                    Step(
                        "a malformed body",
                        update_user,
                        user | self._key("malformed") | {"amount_kopeks": "a lot"},
                        "invalid_request",
                    ),
                    Step("a message without a key", update_user, user | {"amount_kopeks": 1}, PARKED),
                ],
            ),
            ("Credits are held while something is going on, and a part comes back", self._holds(wallet)),
        ]

    def _holds(self, wallet: dict[str, Any]) -> list[Step]:
        ride = {"credits": 8, "description": "A ride"}
        return [
            Step("8 credits are held for a ride", "wallets.hold", wallet | self._key("hold") | ride, "applied"),
            Step(
                "18 of 25.5, when 17.5 are left",
                "wallets.debit",
                wallet | self._key("too-much") | {"credits": 18},
                "insufficient_funds",
            ),
            Step(
                "the ride took 6.4: 1.6 are released",
                "holds.capture",
                self._key("capture") | {"credits": "6.4"},
                "applied",
                about=self._name("hold"),
            ),
            Step(
                "a hold that has ended",
                "holds.release",
                self._key("release"),
                "hold_closed",
                about=self._name("hold"),
            ),
            Step(
                "2.5 of the top-up are taken back",
                "entries.reverse",
                self._key("refund") | {"credits": "2.5"},
                "applied",
                about=self._name("top-up"),
            ),
        ]

    def spend(self) -> list[Step]:
        """A policy, and a debit that takes the wallet below its minimum."""
        wallet = {"wallet_id": self.wallet.ref}
        policy = {
            "auto_topup_trigger": "balance_below_threshold",
            "auto_topup_min_balance": 10,
            "auto_topup_amount": 40,
        }
        return [
            Step("topped up by 40 below 10", "wallets.update", wallet | self._key("policy") | policy, "applied"),
            Step("12 of 16.6 are spent", "wallets.debit", wallet | self._key("debit") | {"credits": 12}, "applied"),
        ]

    def charge(self) -> list[Step]:
        """A wallet that is topped up from a card, 100 a month at the most; what it has is spent."""
        wallet = {"wallet_id": self.card.ref}
        credit = {"credits_to_add": 12, "transaction_reason": "FREE_CREDIT_GRANT"}
        policy = {
            "account": str(self.card),
            "trigger": "balance_below_threshold",
            "threshold": 10,
            "amount": 40,
            "monthly_cap": 100,
            "cooldown_s": 0,
            "max_declines": 2,
            "provider": "http",
            "payer": "demo",
        }
        return [
            Step("a wallet", "wallets.create", wallet | self._key("card"), "applied"),
            Step("12 credits", "wallets.top_up", wallet | self._key("card-gift") | credit, "applied"),
            Step(
                "below 10: 40 from a card, 100 a month", "auto_topup.set_policy", policy | self._key("terms"), "applied"
            ),
            Step("5 of 12 are spent", "wallets.debit", wallet | self._key("card-debit-1") | {"credits": 5}, "applied"),
        ]

    def decline(self) -> list[Step]:
        """What is left of the wallet while its card is declined."""
        wallet = {"wallet_id": self.card.ref}
        return [
            Step("40 of 47 are spent", "wallets.debit", wallet | self._key("card-debit-2") | {"credits": 40}, "applied")
        ]

    def resume(self) -> list[Step]:
        account = {"account": str(self.card)}
        return [
            Step("its owner has seen to the card", "auto_topup.resume", account | self._key("card-resume"), "applied")
        ]

    def past_the_cap(self) -> list[Step]:
        wallet = {"wallet_id": self.card.ref}
        spent = wallet | self._key("card-debit-3") | {"credits": 40}
        return [Step("40 of 47 are spent", "wallets.debit", spent, "applied")]

    def grant(self) -> list[Step]:
        """Credits that expire in a moment."""
        arguments = {
            "wallet_id": self.wallet.ref,
            "credits_to_add": "3.25",
            "transaction_reason": "FREE_CREDIT_GRANT",
            "expiry_date_utc": (now() + timedelta(seconds=2)).isoformat(),
            **self._key("grant"),
        }
        return [Step("3.25 credits that expire in 2 seconds", "wallets.top_up", arguments, "applied")]

    def part(self, endpoint: UUID) -> list[Step]:
        """The endpoint of the demo is removed."""
        arguments = self._key("remove") | {"endpoint_id": str(endpoint)}
        return [Step("its endpoint is removed", "webhooks.remove", arguments, "applied")]

    def _key(self, name: str) -> dict[str, Any]:
        return {"idempotency_key": self._name(name)}

    def _name(self, name: str) -> str:
        return f"demo-{self.run}-{name}"
