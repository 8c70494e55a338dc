"""Every job there is, by its Celery name."""

from __future__ import annotations

from typing import Final

from models.contracts.apps import AppsUpdateBalance, AppsUpsert
from models.contracts.entries import EntriesReverse
from models.contracts.envelope import Contract
from models.contracts.users import UsersUpdateBalance, UsersUpsert
from models.contracts.wallets import WalletsCreate, WalletsDebit, WalletsTerminate, WalletsTopUp, WalletsUpdate

CATALOGUE: Final[dict[str, type[Contract]]] = {
    contract.NAME: contract
    for contract in (
        WalletsCreate,
        WalletsUpdate,
        WalletsTopUp,
        WalletsDebit,
        WalletsTerminate,
        UsersUpsert,
        UsersUpdateBalance,
        AppsUpsert,
        AppsUpdateBalance,
        EntriesReverse,
    )
}

AUTO_TOP_UP: Final = "autotopup.top_up"
EXPIRE_GRANT: Final = "credits.expire_grant"
_SYSTEM: Final[dict[str, type[Contract]]] = {AUTO_TOP_UP: WalletsTopUp, EXPIRE_GRANT: WalletsTopUp}
"""Jobs that we make ourselves: nobody can publish them, and they are answered as a wallet is."""


def contract_of(name: str) -> type[Contract]:
    """The contract by which a job of this name is answered."""
    return CATALOGUE.get(name) or _SYSTEM[name]
