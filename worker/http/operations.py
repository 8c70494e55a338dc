"""What can be asked of the door: each operation is a job of the catalogue, under the path that its API has for it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from balance_client import Outcome
from models.contracts.catalogue import CATALOGUE
from models.contracts.wire.envelope import Contract
from models.domain.accounts import AccountKey
from worker.http import wallet_texts
from worker.http.requests import invalid
from worker.http.wallet_texts import Body

Fields = dict[str, Any]
Names = Callable[[Mapping[str, str], Mapping[str, str]], Fields]
"""From the parameters of path and query to the fields of the job that they stand for."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One way in. `paths`: the source document's first; `names`: what the path says of the job."""

    method: str
    paths: tuple[str, ...]
    job: str
    summary: str
    names: Names
    named: frozenset[str]  # the fields that the path, the token or the door says; a body may repeat them
    answer: Callable[[Outcome, Contract], Any]
    status: int = 200
    for_app: bool = False  # the token says which app it is about
    translate: Callable[[Fields], Fields] = field(default=dict)
    companion: Callable[[Fields], tuple[str, Fields] | None] = field(default=lambda _fields: None)
    query: tuple[str, ...] = ()

    @property
    def contract(self) -> type[Contract]:
        return CATALOGUE[self.job]


def _response(outcome: Outcome, _asked: Contract) -> Any:
    return outcome.response


def _wallet(outcome: Outcome, _asked: Contract) -> Body:
    return wallet_texts.wallet(outcome.response or {})


def _with_transaction(outcome: Outcome, asked: Contract) -> Body:
    """The document's own fields, which are numbers, and beside them the two objects that SDKs read."""
    response = dict(outcome.response or {})
    note = {name: getattr(asked, name, None) for name in wallet_texts.NOTES}
    moved = wallet_texts.transaction(response, outcome.raw["entry"], note, outcome.idempotency_key)
    return {**response, "wallet": wallet_texts.wallet(response), "wallet_transaction": moved, "invoice_id": None}


def _user(path: Mapping[str, str], query: Mapping[str, str]) -> Fields:
    if (by := query.get("by", "id")) not in ("id", "telegram"):
        raise invalid("enum", ["by"], "Input should be 'id' or 'telegram'", by[:255])
    return {"telegram_id" if query.get("by") == "telegram" else "user_id": _number(path["user_id"])}


def _number(text: str) -> int | str:
    return int(text) if text.isascii() and text.removeprefix("-").isdigit() and len(text) < 25 else text


def _path(**fields: str) -> Names:
    return lambda path, _query: {name: path[parameter] for name, parameter in fields.items()}


def made_wallet_id(producer: str, key: str) -> str:
    """The id of a wallet that its publisher did not name: the same for the same key."""
    digest = hashlib.sha256(f"{producer}\n{key}".encode()).digest()
    return f"wallet_{base64.b32encode(digest)[:26].decode().lower()}"


def _initial_credits(fields: Fields) -> tuple[str, Fields] | None:
    """The credits that a new wallet begins with: a job of its own, under a key that follows from the wallet's."""
    credits, expires = (
        fields.pop(name, None) for name in ("initial_credits_to_load", "initial_credits_expiry_date_utc")
    )
    if credits is None or _is_nothing(str(credits).strip()):
        return None
    given = {} if expires is None else {"expiry_date_utc": expires}
    key = hashlib.sha256(f"initial credits of {fields.get('idempotency_key')}".encode()).hexdigest()
    return "wallets.top_up", {
        **{name: fields[name] for name in ("wallet_id", "producer") if name in fields},
        "idempotency_key": key, "credits_to_add": credits, "transaction_reason": "FREE_CREDIT_GRANT", **given,
    }  # fmt: skip


def _is_nothing(amount: str) -> bool:
    """Zero, however it is written; what is no number is the contract's to refuse."""
    try:
        return not amount or Decimal(amount) == 0
    except ArithmeticError:
        return False


def app_fields(app: AccountKey) -> Fields:
    app_id, _, store_id = app.ref.partition("/")
    return {"app_id": app_id, "store_id": store_id}


_WALLET: Final = _path(wallet_id="id")
_NONE: Final[Names] = lambda _path, _query: {}  # noqa: E731


def _of_wallet(method: str, path: str, job: str, summary: str, answer: Any = _wallet, **options: Any) -> Operation:
    paths = (f"/v1/wallets{path}", f"/wallets{path}")
    return Operation(method, paths, job, summary, _WALLET, frozenset({"wallet_id"}), answer, **options)


def _of_hold(verb: str, summary: str) -> Operation:
    names = _path(job_id="id")
    return Operation(
        "POST", (f"/v1/holds/{{id}}/{verb}",), f"holds.{verb}", summary, names, frozenset({"job_id"}), _wallet
    )


OPERATIONS: Final = (
    Operation(
        "POST", ("/users/{user_id}/balance",), "users.update_balance", "Update Balance", _user,
        frozenset({"user_id", "telegram_id"}), _response, query=("by",),
    ),
    _of_wallet("POST", "/{id}/top-up", "wallets.top_up", "Top up wallet", _with_transaction),
    Operation(
        "POST", ("/admin/v2/apps/balance", "/apps/balance"), "apps.update_balance", "Update Subscription Balance",
        _NONE, frozenset({"app_id", "store_id"}), _response, status=201, for_app=True,
    ),
    Operation(
        "PUT", ("/users/{user_id}",), "users.upsert", "Make a user known, or change the fields given", _user,
        frozenset({"user_id"}), _response,
    ),
    Operation(
        "PUT", ("/admin/v2/apps", "/apps"), "apps.upsert", "Make the token's app known, or change its rule", _NONE,
        frozenset({"app_id", "store_id"}), _response, status=201, for_app=True,
    ),
    Operation(
        "POST", ("/v1/wallets", "/wallets"), "wallets.create", "Create a wallet", _NONE, frozenset(), _wallet,
        translate=wallet_texts.asked, companion=_initial_credits,
    ),
    _of_wallet("PUT", "/{id}", "wallets.update", "Update a wallet", translate=wallet_texts.asked),
    _of_wallet("POST", "/{id}/debit", "wallets.debit", "Spend credits of a wallet", _with_transaction),
    _of_wallet("POST", "/{id}/holds", "wallets.hold", "Reserve credits of a wallet", _with_transaction),
    _of_wallet("POST", "/{id}/terminate", "wallets.terminate", "Take what is left in a wallet and close it"),
    Operation(
        "POST", ("/v1/wallets/{id}/auto-topup", "/wallets/{id}/auto-topup"), "auto_topup.set_policy",
        "Agree to auto top-up: the whole policy", lambda path, _query: {"account": f"wallet:{path['id']}"},
        frozenset({"account"}), _response,
    ),
    _of_hold("capture", "Spend what a hold has reserved"),
    _of_hold("release", "Give back what is left of a hold"),
)  # fmt: skip
