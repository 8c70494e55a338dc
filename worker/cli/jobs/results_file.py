"""What came of each line, as lines of JSON: written as it comes, and read by `--resume`. The last of a line counts."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from zlib import crc32

from worker.cli.jobs.job_lines import JobLine
from worker.cli.terminal.faults import Stop
from worker.cli.terminal.files import about

SETTLED: Final = ("applied", "rejected")  # for good: publishing it again would give the same answer
PUBLISHED: Final = "published"  # the broker has it; that is all there is to know for who does not wait


class ResultsFile:
    """Appended to. Of the lines that are done it remembers four bytes each."""

    def __init__(self, path: Path, *, resume: bool, waiting: bool) -> None:
        self._path = path
        self._done = SETTLED if waiting else (*SETTLED, PUBLISHED)
        self._marks = array("I")  # by number of the line: 0, or what tells its key from others
        if path.exists() and not resume:
            raise Stop(f"{path} is there: --resume goes on where it ends, --results names another file")
        if resume and path.exists():
            self._read()
        self._file = path.open("a", encoding="utf-8")

    def _read(self) -> None:
        end = 0
        with self._path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                if not raw.endswith(b"\n"):
                    break  # it was being written when the program ended
                end += len(raw)
                try:
                    result = json.loads(raw)
                    if result["status"] in self._done:
                        self._note(int(result["line"]), str(result["key"]))
                except (ValueError, LookupError, TypeError) as error:
                    raise Stop(f"{self._path}, line {number}: this is no result of a line") from error
        with self._path.open("rb+") as file:
            file.truncate(end)

    def _note(self, line: int, key: str) -> None:
        if line >= len(self._marks):
            self._marks.extend([0] * (2 * line + 1 - len(self._marks)))
        self._marks[line] = _mark(key)

    def has(self, line: JobLine) -> bool:
        """Whether nothing is left to be done for it. Raises Stop when its line had another key then."""
        known = self._marks[line.number] if line.number < len(self._marks) else 0
        if known and known != _mark(line.key or ""):
            raise Stop(
                f"line {line.number} had another key than {line.key!r} when {self._path} was written: name another "
                "file with --results; what was published before is answered again, and not applied twice"
            )
        return bool(known)

    def write(self, result: Mapping[str, Any]) -> None:
        with about(self._path):
            self._file.write(json.dumps(result) + "\n")

    def flush(self) -> None:
        """What is written is there, whatever becomes of this program."""
        with about(self._path):
            self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with about(self._path):
            self._file.close()


def _mark(key: str) -> int:
    return crc32(key.encode(errors="surrogatepass")) | 1
