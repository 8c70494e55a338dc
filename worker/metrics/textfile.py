"""Metrics of a command that ends, in a file from which the node exporter's textfile collector tells them."""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry, write_to_textfile

from worker.metrics.gauges import Gauges, Sample


def write_textfile(path: Path, samples: Iterable[Sample]) -> None:
    """In one step, so that nobody reads half of it. Raises OSError."""
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.stat().st_mode):  # it would be replaced, were it a device
            raise OSError(errno.EINVAL, "it is no ordinary file", str(path))
    registry, gauges = CollectorRegistry(), Gauges()
    gauges.put("", samples)
    registry.register(gauges)
    write_to_textfile(str(path), registry)
