"""Schemas that only the door has: requests without what the path says, wallets as texts, answers of its own."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from models.contracts.spec.parts import Schema, nullable, object_of, ref
from models.contracts.spec.schemas import schemas
from worker.http.operations import Operation

_TEXT: Final[Schema] = {"type": "string"}
_AMOUNT: Final[Schema] = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}
_TIME: Final[Schema] = {"type": "string", "format": "date-time"}
_POLICY: Final[Schema] = object_of(
    {
        **{name: {"type": "boolean"} for name in ("enabled", "invoicing")},
        **{name: nullable({"type": "number"}) for name in ("threshold", "amount")},
    }
)
_TRANSACTION: Final[Schema] = object_of(
    {
        "id": _TEXT, "wallet_id": _TEXT, "customer_id": nullable(_TEXT), "type": {"enum": ["credit", "debit"]},
        "transaction_status": {"const": "completed"}, "status": {"const": "published"}, "amount": _AMOUNT,
        "credit_amount": _AMOUNT, "credit_balance_before": _AMOUNT, "credit_balance_after": _AMOUNT,
        "conversion_rate": _AMOUNT, "currency": _TEXT, "created_at": _TIME, "transaction_reason": nullable(_TEXT),
        "description": _TEXT, "metadata": {"type": "object", "additionalProperties": _TEXT},
        "idempotency_key": nullable(_TEXT), "priority": nullable({"type": "integer"}), "expiry_date": nullable(_TIME),
        "updated_at": _TIME,
    },
    description="An entry of the ledger; amounts are decimals in texts",
)  # fmt: skip
_WALLET: Final[Schema] = object_of(
    {
        "id": _TEXT, "customer_id": nullable(_TEXT), "name": _TEXT, "description": _TEXT, "currency": _TEXT,
        "wallet_type": _TEXT, "wallet_status": {"enum": ["active", "frozen", "closed"]},
        "status": {"const": "published"},
        "balance": _AMOUNT, "credit_balance": _AMOUNT, "held": _AMOUNT, "conversion_rate": _AMOUNT,
        "config": ref("WalletConfigBody"), "metadata": {"type": "object", "additionalProperties": _TEXT},
        "auto_topup": _POLICY, "created_at": _TIME, "updated_at": _TIME,
    },
    description="A wallet; amounts are decimals in texts, as SDKs of this API read them",
)  # fmt: skip
OF_THE_DOOR: Final[Schema] = {
    "Accepted": object_of({"status": {"const": "accepted"}, "idempotency_key": _TEXT}),
    "AppBalance": object_of(
        {"status": {"const": 200}, "success": {"const": True},
         "data": object_of({"balance": {"type": "integer"}, "updated_at": _TIME})}
    ),
    "Health": object_of({"status": _TEXT, "troubles": {"type": "object", "additionalProperties": _TEXT}}, ("status",)),
    "JobError": object_of({"code": _TEXT, "detail": _TEXT}, description="`code` is stable"),
    "WalletDoorError": object_of(
        {"success": {"const": False},
         "error": object_of({"message": _TEXT, "internal_error": {**_TEXT, "description": "A stable code"},
                             "details": {"type": "object"}})}
    ),
    "WalletTexts": _WALLET,
    "WalletTransaction": _TRANSACTION,
    "WalletTransactions": object_of(
        {"items": {"type": "array", "items": ref("WalletTransaction")},
         "pagination": object_of({name: {"type": "integer"} for name in ("limit", "offset", "total")})}
    ),
}  # fmt: skip


@cache
def _contracts() -> Schema:
    return schemas()


def with_transaction() -> Schema:
    """A wallet as the document shows it, and beside its fields the two objects that SDKs read."""
    wallet = _contracts()["WalletBody"]
    beside = {
        "wallet": ref("WalletTexts"),
        "wallet_transaction": ref("WalletTransaction"),
        "invoice_id": {"type": "null"},
    }
    return {**wallet, "properties": {**wallet["properties"], **beside}, "required": [*wallet["required"], *beside]}


def asked_schema(operation: Operation) -> Schema:
    """The body of a request: the contract without what path, token and door say."""
    contract = _contracts()[operation.contract.__name__]
    # The key belongs into the header; where a source document has it in the body, it may be there.
    left_out = {*operation.named, "producer", *(() if operation.job == "wallets.top_up" else ("idempotency_key",))}
    properties: dict[str, Any] = {
        name: schema for name, schema in contract["properties"].items() if name not in left_out
    }
    optional = {*left_out, "idempotency_key"}
    if operation.job == "wallets.create":
        optional.add("wallet_id")
    made: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if required := [name for name in contract.get("required", ()) if name not in optional]:
        made["required"] = required
    if "not" in contract:
        made["not"] = contract["not"]
    return {**_by_pattern(made), "description": contract["description"]}


def _by_pattern(node: Any) -> Any:
    """Without formats where a pattern says it: contracts take what RFC 3339 allows beside its format, a space."""
    if isinstance(node, list):
        return [_by_pattern(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {name: _by_pattern(each) for name, each in node.items() if not (name == "format" and "pattern" in node)}
