"""A method for each job of the catalogue, with the fields of its contract: what an editor completes and mypy checks.

A field that is not given is not sent. Numbers of credits and currency are decimals: int, Decimal, or a string such as
"12.50"; a float is refused. Every method returns when the broker has the job, and raises InvalidJob or PublishFailed.
"""

from __future__ import annotations

from datetime import date
from typing import Literal
from uuid import UUID

from balance_client.publishing.job_message import ABSENT, Absent
from balance_client.publishing.top_up_methods import Json, Number, R_co, Time
from balance_client.publishing.webhook_methods import WebhookMethods
from models.contracts.jobs.users import PromoGroup, Subscription
from models.contracts.jobs.wallet_contract import PriceType, Trigger, WalletConfig
from models.contracts.jobs.wallet_credits import CreditReason, DebitReason


class JobMethods(WebhookMethods[R_co]):
    # Each method hands on its locals(): they are its arguments, once each. A test holds them to the contract.

    def wallets_create(
        self,
        *,
        idempotency_key: str,
        wallet_id: str,
        customer_id: str | Absent | None = ABSENT,
        name: str | Absent = ABSENT,
        description: str | Absent = ABSENT,
        currency: str | Absent = ABSENT,
        wallet_type: Literal["PROMOTIONAL", "PRE_PAID"] | Absent = ABSENT,
        conversion_rate: Number | Absent = ABSENT,
        scale: int | Absent = ABSENT,
        floor: Number | Absent = ABSENT,
        overdraft_allowed: bool | Absent = ABSENT,
        timezone: str | Absent | None = ABSENT,
        config: WalletConfig | Json | Absent = ABSENT,
        auto_topup_trigger: Trigger | Absent = ABSENT,
        auto_topup_min_balance: Number | Absent | None = ABSENT,
        auto_topup_amount: Number | Absent | None = ABSENT,
        occurred_at: Time | Absent | None = ABSENT,
        metadata: dict[str, str] | Absent | None = ABSENT,
        want_result: bool = True,
    ) -> R_co:
        """Open a wallet. `floor`, `auto_topup_min_balance` and `auto_topup_amount` are in credits."""
        return self._call("wallets.create", locals())

    def wallets_update(
        self,
        *,
        idempotency_key: str,
        wallet_id: str,
        name: str | Absent | None = ABSENT,
        description: str | Absent | None = ABSENT,
        floor: Number | Absent | None = ABSENT,
        overdraft_allowed: bool | Absent | None = ABSENT,
        timezone: str | Absent | None = ABSENT,
        config: WalletConfig | Json | Absent | None = ABSENT,
        wallet_status: Literal["active", "frozen"] | Absent | None = ABSENT,
        auto_topup_trigger: Trigger | Absent | None = ABSENT,
        auto_topup_min_balance: Number | Absent | None = ABSENT,
        auto_topup_amount: Number | Absent | None = ABSENT,
        occurred_at: Time | Absent | None = ABSENT,
        metadata: dict[str, str] | Absent | None = ABSENT,
        want_result: bool = True,
    ) -> R_co:
        """Change a wallet's terms, auto top-up policy or status; what is absent or None stays as it is."""
        return self._call("wallets.update", locals())

    def wallets_top_up(
        self,
        *,
        idempotency_key: str,
        wallet_id: str,
        transaction_reason: CreditReason,
        credits_to_add: Number | Absent | None = ABSENT,
        amount: Number | Absent | None = ABSENT,
        expiry_date_utc: Time | date | Absent | None = ABSENT,
        priority: int | Absent | None = ABSENT,
        effective_at: Time | Absent | None = ABSENT,
        bonus_credits_to_add: Number | Absent | None = ABSENT,
        bonus_expiry_date_utc: Time | date | Absent | None = ABSENT,
        description: str | Absent | None = ABSENT,
        occurred_at: Time | Absent | None = ABSENT,
        metadata: dict[str, str] | Absent | None = ABSENT,
        want_result: bool = True,
    ) -> R_co:
        """Add credits to a wallet: `credits_to_add`, or `amount` in the wallet's currency. A debt is paid first.

        A date without a time is the end of that day, in UTC or in the wallet's time zone. `bonus_credits_to_add` are
        free credits beside them, with an expiry of their own.
        """
        return self._call("wallets.top_up", locals())

    def wallets_debit(
        self,
        *,
        idempotency_key: str,
        wallet_id: str,
        credits: Number | Absent | None = ABSENT,
        amount: Number | Absent | None = ABSENT,
        transaction_reason: DebitReason | Absent = ABSENT,
        price_type: PriceType | Absent | None = ABSENT,
        overdraft: Number | Absent | None = ABSENT,
        description: str | Absent | None = ABSENT,
        occurred_at: Time | Absent | None = ABSENT,
        metadata: dict[str, str] | Absent | None = ABSENT,
        want_result: bool = True,
    ) -> R_co:
        """Spend credits of a wallet: `credits`, or `amount` in the wallet's currency.

        `overdraft`: credits below the floor that this debit may use, where the wallet allows it. With `occurred_at`
        it may use credits that expired after that, for as long as the workers' grace lasts.
        """
        return self._call("wallets.debit", locals())

    def wallets_hold(
        self,
        *,
        idempotency_key: str,
        wallet_id: str,
        credits: Number | Absent | None = ABSENT,
        amount: Number | Absent | None = ABSENT,
        expires_in_s: int | Absent | None = ABSENT,
        expires_at: Time | Absent | None = ABSENT,
        price_type: PriceType | Absent | None = ABSENT,
        description: str | Absent | None = ABSENT,
        occurred_at: Time | Absent | None = ABSENT,
        metadata: dict[str, str] | Absent | None = ABSENT,
        want_result: bool = True,
    ) -> R_co:
        """Reserve credits for an hour, or for as long as is said. `job_id` of the outcome names the hold."""
        return self._call("wallets.hold", locals())

    def holds_capture(
        self,
        *,
        idempotency_key: str,
        job_id: UUID | str,
        credits: Number | Absent | None = ABSENT,
        amount: Number | Absent | None = ABSENT,
        final: bool | Absent = ABSENT,
        transaction_reason: DebitReason | Absent = ABSENT,
        description: str | Absent | None = ABSENT,
        occurred_at: Time | Absent | None = ABSENT,
        metadata: dict[str, str] | Absent | None = ABSENT,
        want_result: bool = True,
    ) -> R_co:
        """Spend what a hold has reserved: all of it, or a part. What is left is released unless `final` is false."""
        return self._call("holds.capture", locals())

    def holds_release(
        self,
        *,
        idempotency_key: str,
        job_id: UUID | str,
        description: str | Absent | None = ABSENT,
        occurred_at: Time | Absent | None = ABSENT,
        metadata: dict[str, str] | Absent | None = ABSENT,
        want_result: bool = True,
    ) -> R_co:
        """Give back what is left of a hold."""
        return self._call("holds.release", locals())

    def grants_void(
        self,
        *,
        idempotency_key: str,
        wallet_id: str,
        job_id: UUID | str,
        reason: str,
        operator: str,
        bonus: bool | Absent = ABSENT,
        occurred_at: Time | Absent | None = ABSENT,
        metadata: dict[str, str] | Absent | None = ABSENT,
        want_result: bool = True,
    ) -> R_co:
        """Take what is left of the grant that a top-up made (`bonus`: of its bonus), and end it."""
        return self._call("grants.void", locals())

    def wallets_terminate(
        self,
        *,
        idempotency_key: str,
        wallet_id: str,
        description: str | Absent | None = ABSENT,
        occurred_at: Time | Absent | None = ABSENT,
        metadata: dict[str, str] | Absent | None = ABSENT,
        want_result: bool = True,
    ) -> R_co:
        """Take what is left in a wallet and close it."""
        return self._call("wallets.terminate", locals())

    def users_upsert(
        self,
        *,
        idempotency_key: str,
        user_id: int,
        telegram_id: int | Absent | None = ABSENT,
        username: str | Absent | None = ABSENT,
        first_name: str | Absent | None = ABSENT,
        last_name: str | Absent | None = ABSENT,
        language: str | Absent | None = ABSENT,
        status: Literal["active", "blocked", "deleted"] | Absent | None = ABSENT,
        referral_code: str | Absent | None = ABSENT,
        referred_by_id: int | Absent | None = ABSENT,
        has_had_paid_subscription: bool | Absent | None = ABSENT,
        has_made_first_topup: bool | Absent | None = ABSENT,
        last_activity: Time | Absent | None = ABSENT,
        promo_group: PromoGroup | Json | Absent | None = ABSENT,
        subscription: Subscription | Json | Absent | None = ABSENT,
        floor_kopeks: int | Absent | None = ABSENT,
        occurred_at: Time | Absent | None = ABSENT,
        metadata: dict[str, str] | Absent | None = ABSENT,
        want_result: bool = True,
    ) -> R_co:
        """Make a user known, or change the fields given. None clears a field that may be empty; absent leaves it."""
        return self._call("users.upsert", locals())

    def users_update_balance(
        self,
        *,
        idempotency_key: str,
        amount_kopeks: int,
        user_id: int | Absent | None = ABSENT,
        telegram_id: int | Absent | None = ABSENT,
        description: str | Absent | None = ABSENT,
        create_transaction: bool | Absent = ABSENT,
        occurred_at: Time | Absent | None = ABSENT,
        metadata: dict[str, str] | Absent | None = ABSENT,
        want_result: bool = True,
    ) -> R_co:
        """Correct a user's balance by a signed amount in kopeks. Exactly one of `user_id` and `telegram_id`."""
        return self._call("users.update_balance", locals())

    def apps_upsert(
        self,
        *,
        idempotency_key: str,
        app_id: str | int,
        store_id: str | int,
        decrease_only: bool | Absent | None = ABSENT,
        occurred_at: Time | Absent | None = ABSENT,
        metadata: dict[str, str] | Absent | None = ABSENT,
        want_result: bool = True,
    ) -> R_co:
        """Make the app of a store known, or change its rule."""
        return self._call("apps.upsert", locals())

    def apps_update_balance(
        self,
        *,
        idempotency_key: str,
        app_id: str | int,
        store_id: str | int,
        balance: int,
        occurred_at: Time | Absent | None = ABSENT,
        metadata: dict[str, str] | Absent | None = ABSENT,
        want_result: bool = True,
    ) -> R_co:
        """Set an app's balance to an absolute value. Give `occurred_at` when sets may overtake each other."""
        return self._call("apps.update_balance", locals())

    def entries_reverse(
        self,
        *,
        idempotency_key: str,
        job_id: UUID | str,
        force: bool | Absent = ABSENT,
        credits: Number | Absent | None = ABSENT,
        amount: Number | Absent | None = ABSENT,
        description: str | Absent | None = ABSENT,
        occurred_at: Time | Absent | None = ABSENT,
        metadata: dict[str, str] | Absent | None = ABSENT,
        want_result: bool = True,
    ) -> R_co:
        """Take the entry of a job back: what is left of it, or a part, until nothing is.

        A part is `credits` of a wallet, or `amount` in its currency, in kopeks of a user or in units of an app.
        `force`: even when the funds are gone.
        """
        return self._call("entries.reverse", locals())

    def accounts_set_alerts(
        self,
        *,
        idempotency_key: str,
        account: str,
        thresholds: list[Number],
        occurred_at: Time | Absent | None = ABSENT,
        metadata: dict[str, str] | Absent | None = ABSENT,
        want_result: bool = True,
    ) -> R_co:
        """Say below which levels an account's owner is told; [] clears. Credits, roubles of a user, units of an app."""
        return self._call("accounts.set_alerts", locals())
