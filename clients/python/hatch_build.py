"""Puts the rules of the worker into what is built, as `balance_client._worker`: of `models/` what the client reaches.

They have one home, `models/` of the repository, and are no package of their own in a service, which may well have a
`models` itself: imports are written anew while the files are copied. An sdist holds the copy already.
"""

from __future__ import annotations

import ast
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

RULES = "models"
INSIDE = "balance_client/_worker"
_IMPORT = re.compile(rf"^(\s*)(from|import) {RULES}\b", re.MULTILINE)


class RulesHook(BuildHookInterface[Any]):
    """`models.…` becomes `balance_client._worker.models.…`, in the rules and in the client."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        here = Path(self.root)
        if (here / "src" / INSIDE).is_dir():
            return  # unpacked from an sdist
        self._made = Path(tempfile.mkdtemp())
        client, repository = here / "src", here.parents[1]
        files = [file for file in client.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
        rules = reached([file for file in files if file.suffix == ".py"], repository)
        prefix = "src/" if self.target_name == "sdist" else ""
        self._write(Path(INSIDE, "__init__.py"), '"""The rules of the worker that this client is of."""\n')
        for file in files:
            self._write(file.relative_to(client), file.read_text(encoding="utf-8"))
        for file in sorted(rules):
            self._write(Path(INSIDE, file.relative_to(repository)), wordless(file.read_text(encoding="utf-8")))
        build_data["force_include"] |= {
            str(file): f"{prefix}{file.relative_to(self._made)}" for file in self._made.rglob("*") if file.is_file()
        }

    def _write(self, path: Path, text: str) -> None:
        target = self._made / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_IMPORT.sub(rf"\1\2 {INSIDE.replace('/', '.')}.{RULES}", text), encoding="utf-8")

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if made := getattr(self, "_made", None):
            shutil.rmtree(made)


def wordless(text: str) -> str:
    """The code without comments and docstrings, a seventh of the wheel: the rules are read in their home."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            node.body = [each for each in node.body if not _is_text(each)] or [ast.Pass()]
    return ast.unparse(tree) + "\n"


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def reached(files: list[Path], repository: Path) -> set[Path]:
    """The files of `models/` that these import, and those that are imported by them, with the packages around them."""
    found: set[Path] = set()
    waiting = list(files)
    while waiting:
        for name in _imported(waiting.pop()):
            path = repository.joinpath(*name.split("."))
            packages = {
                each / "__init__.py" for each in (path, *path.parents) if each.is_relative_to(repository / RULES)
            }
            new = {each for each in (path.with_suffix(".py"), *packages) if each.is_file()} - found
            found |= new
            waiting += new
    return found


def _imported(file: Path) -> Iterator[str]:
    """Names of `models/`: each may be a module, a package, or something in one."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        yield from (name for name in names if name.split(".")[0] == RULES)
