"""Jobs from a file, a line each: read as they come, so that the length of the file does not matter.

Nothing of it is ever made up: a line without a key is refused, since a key that is made of its number, say, would be
another one as soon as a line is inserted above.
"""

from __future__ import annotations

import csv  # noqa: TID251  # reading alone: what strangers wrote becomes a formula where it is written
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, Final

from models.contracts.catalogue import CATALOGUE
from worker.cli.jobs.arguments import Schema, typed
from worker.cli.terminal.faults import Stop
from worker.encoding.literals import exact

JOB: Final = "job"
KEY: Final = "idempotency_key"
_MARK: Final = b"\xef\xbb\xbf"  # spreadsheets begin a file with it
_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class JobLine:
    """What a line says, or why it says nothing."""

    number: int  # of its first line in the file, from 1
    length: int  # in lines: a quoted text may have some in it
    name: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    problem: str | None = None

    @property
    def key(self) -> str | None:
        return None if self.fields.get(KEY) is None else str(self.fields[KEY])


def lines_in(path: Path) -> int | None:
    """How many there are, for the bar. None: it is a pipe, which can be read once, and is not for counting."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(_BLOCK), b""))


def csv_lines(file: BinaryIO, name: str | None) -> Iterator[JobLine]:
    """A record each; the first one names the fields. An empty cell is a field that is not given.

    A cell is read as `--arg` reads it: text where the job takes text, everything else as JSON, exactly. Raises Stop for
    what is no CSV: where a record ends is not known behind it.
    """
    records = csv.reader(decoded(file), strict=True)
    try:
        header = next(records, [])
        _check(header, name)
        before = records.line_num
        for cells in records:
            number, length = before + 1, records.line_num - before
            before = records.line_num
            if cells:
                yield _of_cells(number, length, header, cells, name)
    except csv.Error as error:
        raise Stop(f"line {records.line_num}: this is not CSV: {error}") from error


def json_lines(file: BinaryIO, name: str | None) -> Iterator[JobLine]:
    """A JSON object on each line, with the fields of the job, and "job" where they differ."""
    for number, text in enumerate(decoded(file), start=1):
        if text.strip():
            yield _of_json(number, text, name)


def _of_json(number: int, text: str, name: str | None) -> JobLine:
    try:
        fields = exact(text)
    except (json.JSONDecodeError, RecursionError) as error:
        return JobLine(number, 1, problem=f"this is not JSON: {error}")
    if not isinstance(fields, dict):
        return JobLine(number, 1, problem="this is no JSON object")
    job = fields.pop(JOB, name)
    if not isinstance(job, str):
        return JobLine(number, 1, problem='it does not name its job: put it into "job", or NAME on the command line')
    return JobLine(number, 1, job, fields)


def _of_cells(number: int, length: int, header: list[str], cells: list[str], name: str | None) -> JobLine:
    if len(cells) != len(header):
        return JobLine(number, length, problem=f"there are {len(cells)} cells under {len(header)} names")
    texts = {column: text for column, text in zip(header, cells, strict=True) if text}
    job = texts.pop(JOB, name or "")
    schemas = _schemas(job)
    try:
        fields = {column: typed(text, schemas.get(column)) for column, text in texts.items()}
    except RecursionError:
        return JobLine(number, length, problem="JSON in a cell is nested too deeply")
    return JobLine(number, length, job, fields)


def _check(header: list[str], name: str | None) -> None:
    needed = [KEY] if name else [KEY, JOB]
    if missing := [column for column in needed if column not in header]:
        raise Stop(
            f"there is no column {' and none '.join(missing)}: the first line names the fields of the job, "
            "separated by commas, with a key for each line; the job is a column too, or NAME on the command line"
        )
    if twice := {column for column in header if header.count(column) > 1}:
        raise Stop(f"the first line names {', '.join(sorted(twice))} twice")


@cache
def _schemas(job: str) -> Schema:
    contract = CATALOGUE.get(job)
    return {} if contract is None else contract.model_json_schema()["properties"]


def decoded(file: BinaryIO) -> Iterator[str]:
    """The lines of a file in UTF-8. Raises Stop for one that is not."""
    for number, raw in enumerate(file, start=1):
        try:
            yield raw.removeprefix(_MARK).decode() if number == 1 else raw.decode()
        except UnicodeDecodeError as error:
            raise Stop(f"line {number}: this is not UTF-8: {error.reason} at byte {error.start}") from error
