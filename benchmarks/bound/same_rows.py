"""Whether the bound writes what our worker writes. If not, it is the bound of something else.

Both apply the same jobs to the same accounts. Every row of every table is compared, JSON to the order of its fields;
what differs by chance is not: ids, times and hashes. That the hashes are right is for the audit to say, after each
drain.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

from sqlalchemy import Engine, text

from benchmarks.bench import BOUND_1, REDIS_1, Bench
from benchmarks.contender import Contender, Incoherent
from benchmarks.drain import drain
from benchmarks.movement import movements
from benchmarks.servers import engine_of

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""By table."""

_JOBS: Final = 50
_WALLETS: Final = 20  # fewer than jobs: some are about the same
_TABLES: Final = text("select tablename from pg_tables where schemaname = current_schema() order by 1")
_BY_CHANCE: Final = (
    ("id", re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")),
    ("time", re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)")),
    ("hash", re.compile(r"\\x[0-9a-f]{64}")),
)
_SURE: Final = "fingerprint"  # looks like a hash that differs, and is one that must not
_ORDER: Final = ("idempotency_key", "ref", "account_id", "seq", "number", "type")
"""What rows of a table are put in order by, of these the columns that it has."""


def compare(bench: Bench, bound: Contender = BOUND_1) -> None:
    """Raises Incoherent, which names what differs."""
    messages = movements("wallets", _JOBS, _WALLETS, bench.run_name())
    written: list[Rows] = []
    for contender in (REDIS_1, bound):
        with bench.database(contender.system) as url:
            drain(bench, contender, url, messages, checked=False)
            with engine_of(url) as engine:
                written.append(rows(engine))
    if found := differences(*written):
        raise Incoherent(
            "the bound writes other rows than our worker, adapt benchmarks/bound:\n" + "\n".join(sorted(found))
        )


def rows(engine: Engine) -> Rows:
    """All rows of all tables, without what is up to chance."""
    with engine.connect() as connection:
        return {
            table: sorted(
                (
                    _settled(json.loads(row, parse_float=_exact))
                    for row in connection.execute(
                        text(f'select cast(row_to_json(t) as text) from "{table}" as t')  # noqa: S608 - our own tables
                    ).scalars()
                ),
                key=_place,
            )
            for table in connection.execute(_TABLES).scalars()
        }


def differences(ours: Rows, bound: Rows) -> set[str]:
    """A sentence for each field in which rows differ, with the first values found."""
    found: dict[str, str] = {}
    for table in sorted({*ours, *bound}):
        pairs = zip_longest(ours.get(table, ()), bound.get(table, ()))
        for field, first, second in (each for pair in pairs for each in _between(table, *pair)):
            found.setdefault(field, f"{field}: {first!r} by ours, {second!r} by the bound")
    return {*found.values()}


def _between(field: str, first: Any, second: Any) -> Iterator[tuple[str, Any, Any]]:
    """Where two values differ, as far inside as can be said."""
    if isinstance(first, dict) and isinstance(second, dict):
        for name in {**first, **second}:
            yield from _between(f"{field}.{name}", first.get(name, "nothing"), second.get(name, "nothing"))
        if first.keys() == second.keys() and [*first] != [*second]:
            yield f"order in {field}", [*first], [*second]
    elif first != second:
        yield field, first, second


def _settled(row: dict[str, Any]) -> dict[str, Any]:
    told = {name: _without_chance(name, value) for name, value in row.items()}
    return {**told, "id": "(id)"} if "id" in told else told  # numbers given in order of writing


def _without_chance(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {inner: _without_chance(inner, item) for inner, item in value.items()}
    if isinstance(value, list):
        return [_without_chance(name, item) for item in value]
    if isinstance(value, str) and name != _SURE:
        return next((f"({what})" for what, pattern in _BY_CHANCE if pattern.fullmatch(value)), value)
    return value


def _place(row: Mapping[str, Any]) -> tuple[list[str], str]:
    return [f"{row[name]!s:>20}" for name in _ORDER if name in row], json.dumps(row)


def _exact(digits: str) -> tuple[str, str]:
    """1.0 and 1 are two ways of writing."""
    return "number", digits
