"""Node, and the packages that the examples for it are written with."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

import pytest

_ROOT: Final = Path(__file__).resolve().parents[3]


def need_node(examples: str = "examples/events") -> str:
    """The program. Skips the test on a machine without it or without the packages; in CI that is a failure."""
    installed = f"{examples}/node_modules/.installed"  # as the Makefile has it
    program, reason = shutil.which("node"), ""
    if program is None or shutil.which("npm") is None:
        reason = "there is no node, or no npm, to run the examples for it (apt-get install nodejs npm)"
    elif not (_ROOT / installed).exists():
        reason = f"the packages of the examples for Node are not installed (make {installed})"
    if program is None or reason:
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return program
