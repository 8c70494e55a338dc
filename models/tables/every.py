"""All tables, imported so that the metadata is complete."""

from __future__ import annotations

from typing import Final

from sqlalchemy import MetaData

from models.tables import accounts, anchors, dead_letters, jobs, ledger, outbox, records, sharding, top_ups, webhooks
from models.tables.base import Base

_FILES: Final = (accounts, anchors, dead_letters, jobs, ledger, outbox, records, sharding, top_ups, webhooks)

METADATA: Final[MetaData] = Base.metadata
