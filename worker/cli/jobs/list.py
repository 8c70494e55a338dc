"""The jobs that can be published, with their arguments, as the contracts have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from models.contracts.wire.envelope import Contract
from models.domain.idempotency import canonical
from worker.cli.jobs.arguments import in_words
from worker.cli.terminal.output import line, write_json
from worker.cli.terminal.tables import Column, heading, table

_IDENTITY: Final = ("idempotency_key", "producer")  # --key and --producer
_OF_ALL: Final = ("occurred_at", "metadata")


def list_jobs(contracts: Mapping[str, type[Contract]], as_json: bool) -> None:
    """All of them, or the one that is asked for."""
    schemas = {name: contract.model_json_schema() for name, contract in contracts.items()}
    if as_json:
        write_json(
            [
                {"name": name, "summary": contract.SUMMARY, "arguments": schemas[name]}
                for name, contract in contracts.items()
            ]
        )
        return
    line("Every job also takes a key (--key) and a producer (--producer). * is required.")
    for name, contract in contracts.items():
        heading(f"{name}: {contract.SUMMARY}")
        required, fields = schemas[name].get("required", []), schemas[name]["properties"]
        order = sorted(fields, key=lambda field: (field in _OF_ALL, field not in required))
        table(
            [Column("  argument"), Column("takes"), Column("default"), Column("meaning")],
            [
                (
                    f"{'*' if field in required else ' '} {field}",
                    in_words(fields[field]),
                    _default(fields[field]),
                    str(fields[field].get("description", "")),
                )
                for field in order
                if field not in _IDENTITY
            ],
        )


def _default(schema: Mapping[str, Any]) -> str:
    value = schema.get("default")
    return "" if value is None else value if isinstance(value, str) else canonical(value)
