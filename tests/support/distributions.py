"""The distributions, built as a release builds them: with hatchling alone, from the files that are there."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
CLIENT: Final = ROOT / "clients" / "python"


def build(project: Path, kind: str, into: Path) -> Path:
    """The wheel or the sdist of the project in this directory."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(into)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [built] = into.iterdir()
    return built


def unpacked(sdist: Path, into: Path) -> Path:
    """The directory of the project in it."""
    with tarfile.open(sdist) as archive:
        archive.extractall(into, filter="data")
    [project] = into.iterdir()
    return project
