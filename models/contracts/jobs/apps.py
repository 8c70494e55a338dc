"""apps.*: the bodies of POST /apps/balance and of what an app is."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, TypeAdapter, WithJsonSchema
from pydantic_core import PydanticCustomError

from models.contracts.wire.envelope import Contract
from models.contracts.wire.fields import Count, Identifier, Int64, whole
from models.contracts.wire.schemas import printable_but
from models.contracts.wire.status import HTTP_STATUS
from models.domain import money
from models.domain.accounts import Account, AccountKey, Kind
from models.domain.charging.charges import Charge
from models.domain.deciding import commands
from models.domain.deciding.decision import DecisionContext
from models.domain.outcome import Code, Refusal

UPDATED: Final = "تم تحديث رصيد المتجر بنجاح"
BALANCE_REQUIRED: Final = "حقل الرصيد مطلوب."
BALANCE_NOT_INTEGER: Final = "يجب أن يكون حقل الرصيد عددًا صحيحًا"
BALANCE_TOO_SMALL: Final = "يجب أن تكون قيمة حقل الرصيد مساوية أو أكبر من 0."
BALANCE_TOO_LARGE: Final = f"يجب أن تكون قيمة حقل الرصيد مساوية أو أصغر من {money.UNITS_MAX}."
_OF_BALANCE: Final = {
    "missing": BALANCE_REQUIRED,
    "greater_than_equal": BALANCE_TOO_SMALL,
    "less_than_equal": BALANCE_TOO_LARGE,
}
"""What is said of a wrong balance, by the type of the violation; everything else is no integer."""
DECREASE_ONLY: Final = "الرصيد المتبقى يجب ان يكون اقل من رصيد المتجر"


def _as_text(value: Any) -> Any:
    # Their ids are numbers in some places and strings in others: the same app either way.
    number = whole(value)
    return str(_INT64.validate_python(number)) if isinstance(number, int) and not isinstance(number, bool) else value


def _no_slash(value: str) -> str:
    if "/" in value:  # it separates the two in the account's name
        raise PydanticCustomError("string_pattern_mismatch", "Input should have no slash")
    return value


_INT64: Final = TypeAdapter(Int64)
_TEXT: Final = TypeAdapter(Identifier).json_schema()


def _theirs(pattern: str) -> Any:
    return WithJsonSchema({"anyOf": [{**_TEXT, "pattern": pattern}, _INT64.json_schema()]}, mode="validation")


_Id = Annotated[Identifier, BeforeValidator(_as_text)]


class _AppContract(Contract):
    app_id: Annotated[_Id, AfterValidator(_no_slash), _theirs(printable_but("/"))]
    store_id: Annotated[_Id, _theirs(printable_but())]

    @property
    def account(self) -> AccountKey:
        return AccountKey(Kind.APP, f"{self.app_id}/{self.store_id}")

    @classmethod
    def response(cls, account: Account, context: DecisionContext, charge: Charge | None = None) -> dict[str, Any]:
        return app_body(account, context)

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

    balance: Count

    def to_command(self) -> commands.AppSet:
        return commands.AppSet(self.account, self.balance)


def app_body(account: Account, context: DecisionContext) -> dict[str, Any]:
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
    if field != "balance":
        return str(item["msg"])
    return BALANCE_REQUIRED if item["input"] is None else _OF_BALANCE.get(item["type"], BALANCE_NOT_INTEGER)


class AppDone(BaseModel):
    message: str
    code: Int64


class AppBody(BaseModel):
    """What apps.* jobs are answered with."""

    status: Int64
    success: bool
    data: AppDone
