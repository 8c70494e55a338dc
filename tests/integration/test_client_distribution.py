"""What a service installs as balance-client: small, typed, by itself, and the same from either way of building it."""

from __future__ import annotations

import ast
import re
import shutil
import zipfile
from pathlib import Path

import pytest

from tests.support.distributions import CLIENT, ROOT, build, unpacked

SIZE_MAX = 200_000  # bytes of the wheel
OURS = {"models", "tasks", "worker"}  # names that services have themselves


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel from the repository, the sdist, and the wheel from that sdist where there is no repository."""
    sdist = build(CLIENT, "sdist", tmp_path_factory.mktemp("sdist"))
    project = unpacked(sdist, tmp_path_factory.mktemp("unpacked"))
    assert not any(each.name == ".git" for each in project.parents)
    return {
        "wheel": build(CLIENT, "wheel", tmp_path_factory.mktemp("wheel")),
        "sdist": sdist,
        "wheel of the sdist": build(project, "wheel", tmp_path_factory.mktemp("again")),
    }


def contents(wheel: Path) -> dict[str, str]:
    """The files by their names; what is a list of files, in one order."""
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name).decode() for name in archive.namelist()}
    return {
        name: "\n".join(sorted(text.split("\n"))) if name.endswith("/RECORD") else text for name, text in files.items()
    }


def imports(text: str) -> set[str]:
    """The top-level packages that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module).partition(".")[0])
    return found


def test_the_wheel_is_small_typed_and_one_package(built: dict[str, Path]) -> None:
    files = contents(built["wheel"])
    assert built["wheel"].name.endswith("-py3-none-any.whl")
    assert built["wheel"].stat().st_size < SIZE_MAX
    assert "balance_client/py.typed" in files
    packages = {name.partition("/")[0] for name in files if ".dist-info/" not in name}
    assert packages == {"balance_client"}
    assert not [name for name in files if "__pycache__" in name or name.endswith(".pyc")]


def test_nothing_in_it_imports_what_a_service_may_have_itself(built: dict[str, Path]) -> None:
    for name, text in contents(built["wheel"]).items():
        if name.endswith(".py"):
            assert not imports(text) & OURS, name


def code(text: str) -> str:
    """What the text says to Python: docstrings say nothing."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        for name, parts in ast.iter_fields(node):
            if isinstance(parts, list):
                said = [each for each in parts if not (isinstance(each, ast.Expr) and _is_a_text(each.value))]
                setattr(node, name, [each for each in said if not isinstance(each, ast.Pass)])
    return ast.dump(tree)


def _is_a_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def test_the_rules_it_holds_are_those_of_the_worker(built: dict[str, Path]) -> None:
    """Copied, not written a second time: the imports changed, words left out; and none that nothing reaches."""
    inside = "balance_client/_worker/"
    rules = {name.removeprefix(inside): text for name, text in contents(built["wheel"]).items() if inside in name}
    assert rules.pop("__init__.py")
    for name, text in rules.items():
        assert code(text.replace("balance_client._worker.models", "models")) == code((ROOT / name).read_text("utf-8"))
    assert "models/contracts/catalogue.py" in rules
    assert not [
        name for name in rules if name.startswith(("models/store/", "models/tables/", "models/contracts/spec/"))
    ]


def test_an_sdist_builds_the_same_wheel(built: dict[str, Path]) -> None:
    first, second = contents(built["wheel"]), contents(built["wheel of the sdist"])
    assert first == second


def test_it_asks_for_little_and_in_wide_ranges(built: dict[str, Path]) -> None:
    [metadata] = [text for name, text in contents(built["wheel"]).items() if name.endswith("/METADATA")]
    wanted = re.findall(r"^Requires-Dist: ([^;\n]+)$", metadata, re.MULTILINE)
    assert sorted(wanted) == ["kombu[redis]>=5.4", "pydantic<3,>=2.5"]
    assert "Requires-Python: >=3.10" in metadata
    assert (CLIENT / "README.md").read_text(encoding="utf-8") in metadata


def test_the_workers_wheel_has_the_same_client_when_it_is_built_as_the_image_is(tmp_path: Path) -> None:
    """From what the Dockerfile copies of what .dockerignore lets through, and nothing else."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [path for line in re.findall(r"^COPY (?!--)(.+) \S+$", dockerfile, re.MULTILINE) for path in line.split()]
    assert "clients/python/src" in copied
    source = tmp_path / "src"
    for path in copied:
        assert any(path == each or path.startswith(f"{each}/") for each in allowed), f"{path} is not let into the build"
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / path).is_dir():
            shutil.copytree(ROOT / path, source / path, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / path, source / path)
    files = contents(build(source, "wheel", tmp_path / "dist"))
    client = CLIENT / "src"
    for file in client.rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            assert files[str(file.relative_to(client))] == file.read_text(encoding="utf-8")
    assert {name.partition("/")[0] for name in files if ".dist-info/" not in name} == {
        "balance_client", "models", "tasks", "worker",
    }  # fmt: skip
