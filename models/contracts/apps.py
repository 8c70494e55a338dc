"""apps.*: the bodies of POST /apps/balance and of what an app is."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

from pydantic import BaseModel, Field, field_validator

from models.contracts.envelope import Contract
from models.contracts.fields import Identifier
from models.domain import commands, money
from models.domain.accounts import Account, AccountKey, Kind
from models.domain.decision import Facts
from models.domain.outcome import HTTP_STATUS, Code, Refusal

UPDATED: Final = "تم تحديث رصيد المتجر بنجاح"
BALANCE_REQUIRED: Final = "حقل الرصيد مطلوب."
BALANCE_NOT_INTEGER: Final = "يجب أن يكون حقل الرصيد عددًا صحيحًا"
DECREASE_ONLY: Final = "الرصيد المتبقى يجب ان يكون اقل من رصيد المتجر"


def _as_text(value: Any) -> Any:
    # Their ids are numbers in some places and strings in others: the same app either way.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class _AppContract(Contract):
    app_id: Annotated[Identifier, Field(pattern="^[^/]+$")]  # the slash separates the two in the account's name
    store_id: Identifier

    _ids_as_text = field_validator("app_id", "store_id", mode="before")(_as_text)

    @property
    def account(self) -> AccountKey:
        return AccountKey(Kind.APP, f"{self.app_id}/{self.store_id}")

    @classmethod
    def response(cls, account: Account, facts: Facts) -> dict[str, Any]:
        return app_body(account, facts)

    @classmethod
    def error(cls, refusal: Refusal) -> dict[str, Any]:
        return app_error(refusal)


class AppsUpsert(_AppContract):
    NAME: ClassVar[str] = "apps.upsert"
    SUMMARY: ClassVar[str] = "Make the app of a store known, or change its rule"

    decrease_only: bool | None = None

    def to_command(self) -> commands.AppUpsert:
        return commands.AppUpsert(self.account, self.app_id, self.store_id, self.decrease_only)


class AppsUpdateBalance(_AppContract):
    NAME: ClassVar[str] = "apps.update_balance"
    SUMMARY: ClassVar[str] = "Set an app's balance to an absolute value"

    balance: Annotated[int, Field(ge=0, le=money.UNITS_MAX)]

    def to_command(self) -> commands.AppSet:
        return commands.AppSet(self.account, self.balance)


def app_body(account: Account, facts: Facts) -> dict[str, Any]:
    return {"status": 201, "success": True, "data": {"message": UPDATED, "code": 201}}


def app_error(refusal: Refusal) -> dict[str, Any]:
    """The source API's envelope; a body that breaks the contract is answered field by field."""
    status = HTTP_STATUS[refusal.code]
    error: dict[str, Any]
    if refusal.code is Code.DECREASE_ONLY:
        error = {"code": "422", "message": DECREASE_ONLY}
    elif refusal.code is Code.INVALID_REQUEST:
        fields: dict[str, list[str]] = {}
        for item in refusal.details["errors"]:
            field = ".".join(str(part) for part in item["loc"][1:])
            fields.setdefault(field, []).append(_field_message(field, item))
        error = {"code": "error", "message": "alert.invalid_fields", "fields": fields}
    else:
        error = {"code": refusal.code.value, "message": refusal.message}
        if refusal.details:
            error["details"] = dict(refusal.details)
    return {"status": status, "body": {"status": status, "success": False, "error": error}}


def _field_message(field: str, item: dict[str, Any]) -> str:
    if field == "balance" and (item["type"] == "missing" or item["input"] is None):
        return BALANCE_REQUIRED
    if field == "balance" and item["type"].startswith("int_"):
        return BALANCE_NOT_INTEGER
    return str(item["msg"])


class AppDone(BaseModel):
    message: str
    code: int


class AppBody(BaseModel):
    """What apps.* jobs are answered with."""

    status: int
    success: bool
    data: AppDone
