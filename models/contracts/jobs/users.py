"""users.*: the bodies of POST /users/{user_id}/balance and of what a user is."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import Self

from models.contracts.wire.envelope import Contract
from models.contracts.wire.fields import Count, Description, Id64, Int64, Measure, Name, Number, Time
from models.contracts.wire.schemas import TIME, given
from models.contracts.wire.status import HTTP_STATUS
from models.domain import money
from models.domain.accounts import Account, AccountKey, Kind, User, UserStatus
from models.domain.charging.charges import Charge
from models.domain.deciding import commands
from models.domain.deciding.decision import DecisionContext
from models.domain.outcome import Code, Refusal
from models.python310 import iso_time

DEFAULT_DESCRIPTION = "Корректировка через веб-API"
SubscriptionStatus = Literal["trial", "active", "expired", "disabled", "limited", "pending"]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


Percent = Annotated[Int64, Field(ge=0, le=100)]


class PromoGroup(_Part):
    id: Id64
    name: Name
    server_discount_percent: Percent = 0
    traffic_discount_percent: Percent = 0
    device_discount_percent: Percent = 0
    apply_discounts_to_addons: bool = True


def _never_null(value: Any) -> Any:
    if value is None:
        raise PydanticCustomError("datetime_type", "Input should be an RFC 3339 time, or left out")
    return value


# Every subscription of theirs has begun; one that we have not been told about is answered as null.
StartDate = Annotated[Time | None, BeforeValidator(_never_null), WithJsonSchema(TIME, mode="validation")]


class Subscription(_Part):
    id: Id64
    status: SubscriptionStatus
    is_trial: bool = False
    start_date: Annotated[StartDate, Field(description="Left out: not told, and answered as null")] = None
    end_date: Annotated[Time | None, Field(description="Null: it has none, and counts as expired")] = None
    traffic_limit_gb: Count = 0
    traffic_used_gb: Annotated[Measure, Field(description="Any fraction; answered with all its digits")] = money.ZERO
    device_limit: Count = 0
    autopay_enabled: bool = False
    autopay_days_before: Count | None = 0
    subscription_url: Description | None = None
    subscription_crypto_link: Description | None = None
    connected_squads: list[Name] = []


class _UserContract(Contract):
    @classmethod
    def response(cls, account: Account, context: DecisionContext, charge: Charge | None = None) -> dict[str, Any]:
        return user_body(account, context)

    @classmethod
    def error(cls, refusal: Refusal) -> dict[str, Any]:
        return user_error(refusal)


class UsersUpsert(_UserContract):
    NAME: ClassVar[str] = "users.upsert"
    SUMMARY: ClassVar[str] = "Make a user known, or change the fields given"

    user_id: Id64
    telegram_id: Id64 | None = None
    username: Name | None = None
    first_name: Name | None = None
    last_name: Name | None = None
    language: Annotated[Name, Field(min_length=1)] | None = None
    status: Literal["active", "blocked", "deleted"] | None = None
    referral_code: Name | None = None
    referred_by_id: Id64 | None = None
    has_had_paid_subscription: bool | None = None
    has_made_first_topup: bool | None = None
    last_activity: Time | None = None
    promo_group: PromoGroup | None = None
    subscription: Subscription | None = None
    floor_kopeks: Annotated[Int64, Field(le=0)] | None = None

    def body(self) -> dict[str, Any]:
        # Null clears and absence leaves as it is: two meanings, though null is the default of both.
        cleared = {name: None for name, value in self.to_command().changes.items() if value is None}
        return {**super().body(), **cleared}

    def to_command(self) -> commands.UserUpsert:
        names = self.model_fields_set & set(User.__dataclass_fields__) - {"user_id"}
        changes = {name: getattr(self, name) for name in names}
        # Null clears a field that may be empty; where it may not, null means "as it is".
        for name in ("language", "status", "has_had_paid_subscription", "has_made_first_topup"):
            if changes.get(name, ...) is None:
                del changes[name]
        for name in ("promo_group", "subscription"):
            if changes.get(name) is not None:
                changes[name] = changes[name].model_dump(mode="json")
        if "status" in changes:
            changes["status"] = UserStatus(changes["status"])
        return commands.UserUpsert(AccountKey(Kind.USER, str(self.user_id)), self.user_id, changes, self.floor_kopeks)


class UsersUpdateBalance(_UserContract):
    model_config = ConfigDict(json_schema_extra={"oneOf": [given("user_id"), given("telegram_id")]})

    NAME: ClassVar[str] = "users.update_balance"
    SUMMARY: ClassVar[str] = "Correct a user's balance by a signed amount"

    user_id: Id64 | None = None
    telegram_id: Id64 | None = None
    amount_kopeks: Int64
    description: Description | None = DEFAULT_DESCRIPTION
    create_transaction: bool = True

    @field_validator("description", mode="after")
    @classmethod
    def _default_description(cls, value: str | None) -> str:
        return value or DEFAULT_DESCRIPTION

    @model_validator(mode="after")
    def _exactly_one_user(self) -> Self:
        if (self.user_id is None) == (self.telegram_id is None):
            raise PydanticCustomError("user_ambiguous", "Exactly one of user_id and telegram_id is required")
        return self

    def to_command(self) -> commands.UserCorrect:
        target: AccountKey | commands.TelegramUser
        if self.telegram_id is not None:
            target = commands.TelegramUser(self.telegram_id)
        else:
            target = AccountKey(Kind.USER, str(self.user_id))
        return commands.UserCorrect(
            target, self.amount_kopeks, self.description or DEFAULT_DESCRIPTION, self.create_transaction
        )


def user_body(account: Account, context: DecisionContext) -> dict[str, Any]:
    """The whole user of the source document."""
    user = account.profile
    assert isinstance(user, User)
    return {
        "id": user.user_id,
        "status": user.status.value,
        "language": user.language,
        "balance_kopeks": account.balance,
        "balance_rubles": money.from_units(account.balance, account.scale),
        "has_had_paid_subscription": user.has_had_paid_subscription,
        "has_made_first_topup": user.has_made_first_topup,
        "created_at": account.created_at,
        "updated_at": account.updated_at,
        "telegram_id": user.telegram_id,
        "username": user.username,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "referral_code": user.referral_code,
        "referred_by_id": user.referred_by_id,
        "last_activity": user.last_activity,
        "promo_group": user.promo_group,
        "subscription": None if user.subscription is None else _subscription(dict(user.subscription), context),
    }


def _subscription(stored: dict[str, Any], context: DecisionContext) -> dict[str, Any]:
    actual, end = stored["status"], stored["end_date"]
    if actual in ("active", "trial") and (end is None or iso_time(end) <= context.now):
        actual = "expired"
    # A fraction is kept as text: in the database's JSON it would become a float.
    stored["traffic_used_gb"] = money.number(Decimal(stored["traffic_used_gb"]))
    return {"id": stored.pop("id"), "status": stored.pop("status"), "actual_status": actual, **stored}


def user_error(refusal: Refusal) -> dict[str, Any]:
    """FastAPI's shape: a sentence, or for a malformed body the list of what is wrong with it."""
    detail: Any = refusal.message
    if refusal.code is Code.INVALID_REQUEST:
        detail = refusal.details["errors"]
    elif refusal.code is Code.AMOUNT_OUT_OF_RANGE:
        field, value = refusal.details["field"], refusal.details["input"]
        detail = [{"type": "out_of_range", "loc": ["body", field], "msg": refusal.message, "input": value}]
    elif refusal.code is Code.IDEMPOTENCY_CONFLICT:
        detail = {"message": refusal.message, **refusal.details}
    return {"status": HTTP_STATUS[refusal.code], "body": {"detail": detail}}


class SubscriptionBody(Subscription):
    actual_status: SubscriptionStatus


class UserBody(_Part):
    """What users.* jobs are answered with."""

    id: Id64
    status: str
    language: str
    balance_kopeks: Int64
    balance_rubles: Number
    has_had_paid_subscription: bool
    has_made_first_topup: bool
    created_at: Time
    updated_at: Time
    telegram_id: Id64 | None
    username: str | None
    first_name: str | None
    last_name: str | None
    referral_code: str | None
    referred_by_id: Id64 | None
    last_activity: Time | None
    promo_group: PromoGroup | None
    subscription: SubscriptionBody | None
