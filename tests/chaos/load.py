"""A machine that is busy with something else."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from worker.local.servers.localserver import end
from worker.local.spawn import spawn

_BUSY: Final = "while True: pass"


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """So many processes keep a core busy each, while the block runs."""
    with ExitStack() as stack:
        for _ in range(processes):
            process = spawn([sys.executable, "-S", "-c", _BUSY], death_signal=signal.SIGKILL)
            stack.callback(end, process, signal.SIGTERM, 5.0)
        yield
