"""A publisher's file of keys: one a line, or CSV or JSONL with a column for it; read as it comes."""

from __future__ import annotations

import csv  # noqa: TID251  # reading alone
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, BinaryIO, Final

from models.domain.text import is_storable
from worker.cli.jobs.job_lines import KEY, decoded
from worker.cli.terminal.faults import Stop
from worker.encoding.literals import exact

_AMOUNT: Final = "amount"
_PRODUCER: Final = "producer"
_DIGITS_MAX: Final = 100  # before the point, or zeros behind it: far from every balance, and quickly written out


@dataclass(frozen=True, slots=True)
class KeyLine:
    """What a line says that was published."""

    number: int  # from 1
    key: str
    producer: str | None
    amount: Decimal | None  # as a decimal of the account's unit, whichever way it went; None: the file does not say


def keys_in(path: Path, file: BinaryIO, column: str = KEY) -> Iterator[KeyLine]:
    """The lines of a file: CSV and JSONL are known by the ends of their names, all else has a key a line."""
    if path.suffix == ".csv":
        return _of_csv(file, column)
    return _of_jsonl(file, column) if path.suffix in (".jsonl", ".ndjson") else _of_lines(file)


def _of_lines(file: BinaryIO) -> Iterator[KeyLine]:
    for number, text in enumerate(decoded(file), start=1):
        if key := text.rstrip("\r\n"):
            yield KeyLine(number, _storable(number, key), None, None)


def _of_csv(file: BinaryIO, column: str) -> Iterator[KeyLine]:
    records = csv.DictReader(decoded(file), strict=True)
    try:
        if column not in (records.fieldnames or ()):
            raise Stop(
                f"there is no column {column}: the first line names the columns; --column says which has the key"
            )
        for record in records:
            yield _line(records.line_num, record, column)
    except csv.Error as error:
        raise Stop(f"line {records.line_num}: this is not CSV: {error}") from error


def _of_jsonl(file: BinaryIO, column: str) -> Iterator[KeyLine]:
    for number, text in enumerate(decoded(file), start=1):
        if not text.strip():
            continue
        try:
            found = exact(text)
        except (json.JSONDecodeError, RecursionError) as error:
            raise Stop(f"line {number}: this is not JSON: {error}") from error
        if not isinstance(found, dict):
            raise Stop(f"line {number}: this is no JSON object")
        yield _line(number, found, column)


def _line(number: int, record: dict[str, Any], column: str) -> KeyLine:
    key, amount, producer = record.get(column), record.get(_AMOUNT), record.get(_PRODUCER)
    if key is None or key == "" or not isinstance(key, str | int):
        raise Stop(f"line {number}: there is no key in {column}")
    named = _storable(number, str(producer)) if producer else None
    return KeyLine(number, _storable(number, str(key)), named, _number(number, amount))


def _storable(number: int, text: str) -> str:
    if not is_storable(text):
        raise Stop(f"line {number}: {text} has NUL or half a character in it, as no key and no producer has")
    return text


def _number(number: int, amount: Any) -> Decimal | None:
    if amount is None or amount == "":
        return None
    try:
        found = Decimal(str(amount))
    except InvalidOperation as error:
        raise Stop(f"line {number}: {amount!r} is no amount") from error
    if not found.is_finite() or abs(found.adjusted()) > _DIGITS_MAX:
        raise Stop(f"line {number}: {amount!r} is no amount")
    return found


def batches(lines: Iterable[KeyLine], producer: str, size: int) -> Iterator[tuple[str, list[KeyLine]]]:
    """Lines of one producer each, up to `size` at once, in their order."""
    batch: list[KeyLine] = []
    of = producer
    for line in lines:
        named = line.producer or producer
        if batch and (len(batch) == size or named != of):
            yield of, batch
            batch = []
        of = named
        batch.append(line)
    if batch:
        yield of, batch
