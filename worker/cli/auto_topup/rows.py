"""Policies with where they stand, and what was decided about them, in tables and in JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from models.domain import money
from models.domain.auto_topup.evaluation import Fire, Hold, currency_of
from models.domain.charging.policies import Policy
from models.store.read.looks import LookShown
from models.store.read.top_ups import TopUpStanding
from worker.cli.charges.rows import charge_document
from worker.cli.terminal.listing import Listing
from worker.cli.terminal.tables import Column
from worker.encoding.shown import decimal, when
from worker.wording.charges import in_currency, price
from worker.wording.fields import UNITS
from worker.wording.policies import DUE, short, terms
from worker.wording.top_ups import NO_POLICY


def standing_document(found: TopUpStanding) -> dict[str, Any]:
    """For programs."""
    account = found.account
    return {
        "account": str(account.key),
        "scale": account.scale,
        "unit": account.unit,
        "status": account.status,
        "spendable": found.spendable,
        "spendable_decimal": decimal(found.spendable, account.scale),
        "policy": account.policy and _policy_document(account.policy, account.scale),
        "now": _result_document(found, found.result),
        "unless_paused": _result_document(found, found.unpaused),
        "charged_this_month": found.charged,
        "charged_this_month_decimal": decimal(found.charged, account.scale),
        "month_ends": found.month_ends,
        "suspended_at": found.suspended_at,
        "open_charge": found.charge and charge_document(found.charge),
    }


def look_document(look: LookShown) -> dict[str, Any]:
    """For programs."""
    return {
        "job_id": look.job_id,
        "at": look.at,
        "name": look.job,
        "code": look.code,
        "reason": look.held and look.held.reason,
        "until": look.held and look.held.until,
        "spendable_decimal": None if look.spendable is None else money.text(look.spendable),
        "suspended": look.suspended,
        "charge_id": look.charge_id,
        "charge_status": look.charge_status,
        "charge_code": look.charge_code,
    }


LOOK_COLUMNS: Final = (
    Column("when", whole=True),
    Column("job", whole=True),
    Column("name"),
    Column("spendable", right=True, optional=True),
    Column("came to"),
    Column("why", optional=True),
    Column("until", whole=True, optional=True),
    Column("charge", whole=True, optional=True),
)


def look_cells(look: LookShown) -> list[str]:
    held = look.held
    return [
        when(look.at),
        str(look.job_id),
        look.job,
        "" if look.spendable is None else money.text(look.spendable),
        look.code.value if look.charge_status is None else f"charge {look.charge_status}",
        (look.charge_code or "") if held is None else short(held),
        "" if held is None else when(held.until),
        str(look.charge_id or ""),
    ]


def _result_document(found: TopUpStanding, result: Fire | Hold) -> dict[str, Any]:
    match result:
        case Fire():
            return {
                "fires": True,
                "reason": DUE,
                "until": None,
                "code": None,
                "cause": result.cause,
                "units": result.units,
                "units_decimal": decimal(result.units, found.account.scale),
                "amount": result.amount,
                "amount_decimal": in_currency(result.amount, currency_of(found.account)),
                "currency": currency_of(found.account),
            }
        case Hold():
            return {"fires": False, **asdict(result)}


def _policy_document(policy: Policy, scale: int) -> dict[str, Any]:
    document = asdict(policy)
    return document | {f"{name}_decimal": decimal(document[name], scale) or None for name in UNITS}


def _cells(found: TopUpStanding) -> list[str]:
    account, policy = found.account, found.account.policy or NO_POLICY
    until = found.result.until if isinstance(found.result, Hold) else None
    fire = found.unpaused if isinstance(found.unpaused, Fire) else None
    return [
        str(account.key),
        decimal(found.spendable, account.scale),
        *terms(policy, account.scale),
        policy.provider.value,
        short(found.result),
        when(until),
        when(policy.due_at),
        "" if fire is None else price(fire.amount, currency_of(account)),
    ]


STANDINGS: Final[Listing[TopUpStanding]] = Listing(
    many="policies",
    field="policies",
    columns=[
        Column("account", whole=True),
        Column("spendable", right=True),
        Column("when"),
        Column("adds", right=True),
        Column("provider"),
        Column("now"),
        Column("until", whole=True, optional=True),
        Column("look at", whole=True, optional=True),
        Column("charges", right=True, optional=True),
    ],
    cells=_cells,
    document=standing_document,
    name=lambda found: str(found.account.key),
    way="after",
)
