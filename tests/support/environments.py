"""Virtual environments as a service has them: what pip installs by name, and none of what the tests run with."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

IN_CI: Final = os.environ.get("CI") == "true"
_AWAY: Final = re.compile(
    r"NewConnectionError|NameResolutionError|ConnectTimeout|Network is unreachable|name resolution|ReadTimeout"
)
_VERSION: Final = "import sys; print('%d.%d' % sys.version_info[:2])"
_ANSWERS_S: Final = 60


@dataclass(frozen=True)
class Environment:
    """One that is made."""

    path: Path

    @property
    def python(self) -> str:
        return str(self.path / "bin" / "python")

    def run(
        self, words: Sequence[str], cwd: Path, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A program of the environment, which finds nothing of this repository."""
        return self.call([str(self.path / "bin" / words[0]), *words[1:]], cwd, environment)

    def call(
        self, words: Sequence[str], cwd: Path, environment: Mapping[str, str] | None = None, answer: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Any program, in the same surroundings."""
        variables = self.variables(environment)
        return subprocess.run(
            words, cwd=cwd, env=variables, input=answer, capture_output=True, text=True, timeout=_ANSWERS_S, check=False
        )

    def variables(self, environment: Mapping[str, str] | None = None) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
        return {**own, "PATH": f"{self.path / 'bin'}:{own['PATH']}", **(environment or {})}


def interpreter(version: str) -> str:
    """A Python of this version. Skips the test where there is none: no machine has them all, in CI neither."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    named = [sys.executable, shutil.which(f"python{version}"), *sorted(map(str, pyenv.glob(f"{version}*/bin/python")))]
    for candidate in filter(None, named):
        done = subprocess.run([candidate, "-c", _VERSION], capture_output=True, text=True, check=False)
        if done.stdout.strip() == version:  # a shim may be there without what it stands for
            return candidate
    pytest.skip(f"there is no Python {version} here")


def made(where: Path, name: str, packages: Sequence[str | Path], version: str | None = None) -> Environment:
    """The environment of this name with these packages, made by whoever needs it first."""
    environment, ready = Environment(where / name), where / f"{name}.ready"
    python = interpreter(version) if version else sys.executable
    with _alone(where / f"{name}.lock"):
        if not ready.exists():
            # pip stays outside: a second, and nothing that a recipe could lean on.
            subprocess.run([python, "-m", "venv", "--clear", "--without-pip", environment.path], check=True)
            _install(environment, packages)
            ready.touch()
    return environment


def _install(environment: Environment, packages: Sequence[str | Path]) -> None:
    pip = [sys.executable, "-m", "pip", "--python", environment.python, "--disable-pip-version-check"]
    words = ["install", "--quiet", "--retries", "1", "--no-compile", *map(str, packages)]
    done = subprocess.run([*pip, *words], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    if _AWAY.search(done.stderr) and not IN_CI:
        pytest.skip("pip reaches no package index: recipes need one for what a service installs")
    pytest.fail(f"pip install {' '.join(map(str, packages))}: {done.stderr[-3000:]}")


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Processes of one test run take turns."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
