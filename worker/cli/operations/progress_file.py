"""The file in which `verify` keeps how far it has come, so that a run that was stopped goes on."""

from __future__ import annotations

import errno
import json
import os
import stat
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from models.domain.evidence.progress import Progress
from models.domain.value import value
from worker.cli.terminal.faults import Stop
from worker.cli.terminal.files import about

_WHAT: Final = "balance-worker verify"
_ANEW: Final = "name another file, or remove this one to begin anew"


@value(frozen=True, slots=True)
class Circumstances:
    """What a run must have in common with the one that it goes on with."""

    version: str  # of balance-worker
    ledger: str  # its database and schema
    part: str
    against: str | None  # the place of anchors and the ids of their keys


class ProgressFile:
    """One run's. Written in one step after each range, so that nobody finds half of it."""

    def __init__(self, path: Path, circumstances: Circumstances, began: str) -> None:
        self.path, self.began, self._circumstances = path, began, circumstances

    def read(self) -> Progress | None:
        """Where the run was that the file is of; None when there is none, or when it has ended. Raises Stop."""
        with about(self.path):
            if not self.path.exists():
                return None
            self._check()
            said = self.path.read_bytes()
        if not said:
            return None  # made beforehand, for whom it is to belong to
        document = self._document(said)
        if document["ended"]:
            return None
        for name, mine in asdict(self._circumstances).items():
            if (theirs := document[name]) != mine:
                raise Stop(f"{self.path} is of a run with {name} {theirs}, and this one has {mine}: {_ANEW}")
        try:
            progress = Progress.read(document["progress"])
        except ValueError as error:
            raise self._strange() from error
        self.began = document["began"]
        return progress

    def write(self, progress: Progress, *, ended: bool = False) -> None:
        """Raises Stop."""
        document = {
            "what": _WHAT, **asdict(self._circumstances), "began": self.began, "ended": ended,
            "progress": progress.text(),
        }  # fmt: skip
        with about(self.path):
            self._replace(json.dumps(document).encode())

    def _document(self, said: bytes) -> dict[str, Any]:
        try:
            document = json.loads(said)
        except (ValueError, RecursionError) as error:
            raise self._strange() from error
        expected = {"what", "began", "ended", "progress", *Circumstances.__dataclass_fields__}
        if not isinstance(document, dict) or document.get("what") != _WHAT or not expected <= {*document}:
            raise self._strange()
        if not all(isinstance(document[name], str) for name in ("began", "progress")):
            raise self._strange()
        return document

    def _strange(self) -> Stop:
        return Stop(f"{self.path} is not what `balance-worker verify` writes: {_ANEW}")

    def _check(self) -> None:
        """Whatever else it is, it would be replaced."""
        if not stat.S_ISREG(self.path.stat().st_mode):
            raise OSError(errno.EINVAL, "it is no ordinary file", str(self.path))

    def _replace(self, content: bytes) -> None:
        with suppress(FileNotFoundError):
            self._check()
        path = self.path.resolve()
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            # Findings name accounts: nobody else need read them.
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
