"""The embedded servers without durability, for speed: what they hold is gone with the test."""

from __future__ import annotations

from worker.local.servers.embedded import EmbeddedPostgres, EmbeddedValkey


class VolatilePostgres(EmbeddedPostgres):
    """Writes nothing through to the disk."""

    def _options(self) -> dict[str, str]:
        return super()._options() | {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class VolatileValkey(EmbeddedValkey):
    """In memory only."""

    def _config(self) -> list[str]:
        return [*super()._config(), "appendonly no"]  # of two lines the last one holds
