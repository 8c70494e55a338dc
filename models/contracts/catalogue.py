"""Every job there is, by its Celery name."""

from __future__ import annotations

from typing import Final

from models.contracts.jobs.alerts import AccountsSetAlerts
from models.contracts.jobs.apps import AppsUpdateBalance, AppsUpsert
from models.contracts.jobs.entries import EntriesReverse
from models.contracts.jobs.grants import GrantsVoid
from models.contracts.jobs.holds import HoldsCapture, HoldsRelease, WalletsHold
from models.contracts.jobs.top_ups import (
    AutoTopupCancel,
    AutoTopupResume,
    AutoTopupRunNow,
    AutoTopupSetPolicy,
    ChargesSettle,
    TopUpLookAnswer,
)
from models.contracts.jobs.users import UsersUpdateBalance, UsersUpsert
from models.contracts.jobs.wallet_credits import WalletsDebit, WalletsTopUp
from models.contracts.jobs.wallets import WalletsCreate, WalletsTerminate, WalletsUpdate
from models.contracts.jobs.webhooks import (
    WebhooksAdd,
    WebhooksDisable,
    WebhooksEnable,
    WebhooksRemove,
    WebhooksRotateSecret,
    WebhooksUpdate,
)
from models.contracts.wire.envelope import Contract
from models.domain.deciding.commands import AUTO_TOP_UP

CATALOGUE: Final[dict[str, type[Contract]]] = {
    contract.NAME: contract
    for contract in (
        WalletsCreate,
        WalletsUpdate,
        WalletsTopUp,
        WalletsDebit,
        WalletsHold,
        HoldsCapture,
        HoldsRelease,
        GrantsVoid,
        WalletsTerminate,
        UsersUpsert,
        UsersUpdateBalance,
        AppsUpsert,
        AppsUpdateBalance,
        EntriesReverse,
        AccountsSetAlerts,
        AutoTopupSetPolicy,
        AutoTopupResume,
        AutoTopupRunNow,
        AutoTopupCancel,
        ChargesSettle,
        WebhooksAdd,
        WebhooksUpdate,
        WebhooksEnable,
        WebhooksDisable,
        WebhooksRotateSecret,
        WebhooksRemove,
    )
}

EXPIRE_GRANT: Final = "credits.expire_grant"
OPEN_GRANT: Final = "credits.open_grant"
WARN_GRANT: Final = "credits.warn_grant"
EXPIRE_HOLD: Final = "credits.expire_hold"
REPAIR: Final = "accounts.repair"
SYSTEM_JOBS: Final = (AUTO_TOP_UP, EXPIRE_GRANT, OPEN_GRANT, WARN_GRANT, EXPIRE_HOLD, REPAIR)
_SYSTEM: Final[dict[str, type[Contract]]] = {**dict.fromkeys(SYSTEM_JOBS, WalletsTopUp), AUTO_TOP_UP: TopUpLookAnswer}
"""Jobs that we make ourselves: nobody can publish them. They are answered as a wallet is, or as its policy."""


def contract_of(name: str) -> type[Contract]:
    """The contract by which a job of this name is answered."""
    return CATALOGUE[name] if name in CATALOGUE else _SYSTEM[name]
