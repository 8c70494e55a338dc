"""Where the processes of one machine leave word of how they are: a file each, which a health check can afford to read.

The files of one deployment are told from those of another by what it works on: names of workers need not differ.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from worker.encoding.urls import mask_url
from worker.observability.health import Trouble, Word
from worker.settings.settings import Settings


class Pulse:
    """The words of one deployment on this machine."""

    def __init__(self, settings: Settings) -> None:
        self._own = settings.run_dir is None
        self.directory = settings.run_dir or Path(tempfile.gettempdir()) / f"balance-worker-{os.geteuid()}"
        place = (mask_url(settings.broker_url), mask_url(settings.database_url), settings.queue, settings.tick_queue)
        self._prefix = sha256("\n".join(place).encode()).hexdigest()[:12]

    def write(self, word: Word) -> None:
        """In place of the last one of this node. Raises OSError."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._check()
        path = self._path(word.node)
        fresh = path.with_suffix(f".{word.pid}")
        fresh.write_text(json.dumps(asdict(word)), encoding="utf-8")
        fresh.replace(path)

    def remove(self, node: str) -> None:
        """Raises OSError."""
        self._path(node).unlink(missing_ok=True)

    def read(self, node: str | None = None) -> Iterator[Word]:
        """The last words of all nodes, or of this one. Raises OSError when they cannot be read."""
        if not self.directory.exists():
            return
        self._check()
        for path in sorted(self.directory.glob(f"{self._prefix}-*.json")):
            told = json.loads(path.read_text(encoding="utf-8"))
            word = Word(**{**told, "troubles": tuple(Trouble(**each) for each in told["troubles"])})
            if node in (None, word.node):
                yield word

    def _path(self, node: str) -> Path:
        return self.directory / f"{self._prefix}-{quote(node, safe='@')}.json"

    def _check(self) -> None:
        """A directory for temporary files is everybody's: what somebody else made there is not ours."""
        found = self.directory.lstat()
        if self._own and not (stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()):
            raise PermissionError(
                f"{self.directory} belongs to somebody else: set BALANCE_RUN_DIR to a directory of ours"
            )


def is_alive(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
