"""Style rules as tests: each names what to do instead, and each is shown to fail on a sample of what it forbids."""

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINES_MAX = 320
README_LINES_MAX = 150

PUBLISHED = {f"clients/python/src/balance_client/{name}__init__.py" for name in ("", "testing/")}  # services import it
PRODUCT = ("models/", "tasks/", "worker/", "clients/python/src/")
MONEY = (*(f"models/{room}/" for room in ("domain", "batch", "contracts", "tables", "store")), "tasks/apply/path.py")
SQL_HOMES = (
    "models/store/",
    "models/tables/",
    "models/migrations/",
    "clients/python/src/balance_client/outbox.py",  # a table in the publisher's database, not in ours
)
SQL_HANDLES = {"sqlalchemy.Connection", "sqlalchemy.Engine"}  # to be handed on to models/store; they say no SQL

COMMIT_HOME = "models/store/connection/session.py"
ENVIRONMENT_HOMES = {
    "worker/settings/settings.py",
    "worker/local/children.py",  # hands a copy to its children
    "worker/local/supervisor.py",  # the same
}
CLOCK_HOMES = {
    "worker/clock.py",  # everybody else is told what time it is
    "clients/python/src/balance_client/publishing/job_message.py",  # a producer says when it signed
    "clients/python/src/balance_client/testing/worker.py",  # in memory there is no server whose clock it could be
}
_OF_STORE = ("connection/patience", "write/events/deliveries", "write/events/endpoints")
SECONDS_ARE_FLOATS = {"models/domain/retry.py"} | {f"models/store/{name}.py" for name in _OF_STORE}  # not money

Finding = tuple[int, str]  # line number, what was found there


@dataclass(frozen=True)
class Rule:
    """`find` yields a finding for each breach in the text of a file at `path`; `bad` is a text that must have one."""

    instead: str
    applies: Callable[[str], bool]
    find: Callable[[str, str], Iterator[Finding]]
    bad: str
    bad_path: str


def within(*prefixes: str, but: set[str] | frozenset[str] = frozenset()) -> Callable[[str], bool]:
    return lambda path: path.endswith(".py") and path.startswith(prefixes) and path not in but


def nodes(text: str) -> Iterator[ast.AST]:
    yield from ast.walk(ast.parse(text))


def dotted(node: ast.AST) -> str:
    """`a.b.c` for the expression a.b.c, "" for anything that is not names joined by dots."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (owner := dotted(node.value)):
        return f"{owner}.{node.attr}"
    return ""


def imported(node: ast.AST) -> Iterator[str]:
    """The dotted names that an import statement brings in."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def uses(*names: str) -> Callable[[str, str], Iterator[Finding]]:
    """Finds the dotted names as expressions (also behind a longer prefix: `datetime.datetime.now`) and as imports."""

    def matches(found: str) -> bool:
        return any(found == name or found.endswith(f".{name}") for name in names)

    def find(_path: str, text: str) -> Iterator[Finding]:
        for node in nodes(text):
            if isinstance(node, ast.Attribute) and matches(dotted(node)):
                yield node.lineno, dotted(node)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                yield from ((node.lineno, f"import of {name}") for name in imported(node) if matches(name))

    return find


def calls_method(method: str) -> Callable[[str, str], Iterator[Finding]]:
    def find(_path: str, text: str) -> Iterator[Finding]:
        for node in nodes(text):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method:
                yield node.lineno, f".{method}("

    return find


def calls_function(name: str) -> Callable[[str, str], Iterator[Finding]]:
    def find(_path: str, text: str) -> Iterator[Finding]:
        for node in nodes(text):
            if isinstance(node, ast.Call) and dotted(node.func) == name:
                yield node.lineno, f"{name}("

    return find


def imports_package(package: str, but: set[str]) -> Callable[[str, str], Iterator[Finding]]:
    def find(_path: str, text: str) -> Iterator[Finding]:
        for node in nodes(text):
            for name in imported(node):
                if name.split(".")[0] == package and name not in but:
                    yield getattr(node, "lineno", 0), f"import of {name}"

    return find


def text_matches(pattern: str, flags: int = 0) -> Callable[[str, str], Iterator[Finding]]:
    compiled = re.compile(pattern, flags)

    def find(_path: str, text: str) -> Iterator[Finding]:
        for match in compiled.finditer(text):
            yield text.count("\n", 0, match.start()) + 1, match.group().strip()

    return find


def longer_than(lines_max: int) -> Callable[[str, str], Iterator[Finding]]:
    def find(_path: str, text: str) -> Iterator[Finding]:
        if (lines := len(text.splitlines())) > lines_max:
            yield lines, f"{lines} lines"

    return find


def floats(_path: str, text: str) -> Iterator[Finding]:
    """Literals, `float(...)` and annotations; `isinstance(value, float)`, which keeps floats out, is no breach."""
    for node in nodes(text):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield node.lineno, repr(node.value)
        elif isinstance(node, ast.Call) and dotted(node.func) == "float":
            yield node.lineno, "float("
        elif isinstance(node, ast.arg | ast.AnnAssign):
            yield from annotated_float(node.annotation)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from annotated_float(node.returns)


def annotated_float(annotation: ast.expr | None) -> Iterator[Finding]:
    for node in ast.walk(annotation) if annotation else ():
        if dotted(node) == "float":
            yield getattr(node, "lineno", 0), "float annotation"


def more_than_a_docstring(_path: str, text: str) -> Iterator[Finding]:
    body = ast.parse(text).body
    if not (body and isinstance(body[0], ast.Expr) and ast.get_docstring(ast.parse(text))):
        yield 1, "no docstring"
    yield from ((statement.lineno, type(statement).__name__) for statement in body[1:])


def dangling_links(path: str, text: str) -> Iterator[Finding]:
    for number, line in enumerate(text.splitlines(), start=1):
        for target in re.findall(r"\]\(([^)\s]+)", line):
            file = target.partition("#")[0]
            if file and ":" not in file and not (ROOT / path).parent.joinpath(file).exists():
                yield number, target


_MACHINE = (
    r"(?<![\w.)\]}/-])/(?:home/\w|Users/\w|root/|work/|workspace/)"
    r"|(?:index-url|find-links)[ =]+\S*/"
    r"|https?://(?:[\w-]+\.)*(?:pypi|pythonhosted|npmjs)\.\w+"
)

RULES = {
    "file length": Rule(
        "split it along its own nouns",
        lambda path: path.endswith(".py"),
        longer_than(LINES_MAX),
        "x = 1\n" * (LINES_MAX + 1),
        "worker/long.py",
    ),
    "one commit": Rule(
        f"take a connection and let {COMMIT_HOME} commit",
        within(*PRODUCT, but={COMMIT_HOME}),
        calls_method("commit"),
        "connection.commit()",
        "tasks/apply/path.py",
    ),
    "environment": Rule(
        "add a field to worker/settings/settings.py",
        within(*PRODUCT, but=ENVIRONMENT_HOMES),
        uses("os.environ", "os.environb", "os.getenv"),
        "import os\nurl = os.environ['URL']",
        "worker/app.py",
    ),
    "clock": Rule(
        f"take `now` as an argument; it is read in {', '.join(sorted(CLOCK_HOMES))}",
        within(*PRODUCT, but=CLOCK_HOMES),
        uses("time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
        "import datetime\nnow = datetime.datetime.now(datetime.UTC)",
        "models/domain/credits/grants.py",
    ),
    "no float near money": Rule(
        "use int in the account's smallest unit, or Decimal at the edge",
        within(*MONEY, but=SECONDS_ARE_FLOATS),
        floats,
        "def f(amount: list[float]) -> int: ...",
        "models/domain/money.py",
    ),
    "print": Rule(
        "log it; only worker/cli speaks to a terminal",
        lambda path: within(*PRODUCT)(path) and not path.startswith("worker/cli/"),
        calls_function("print"),
        "print('done')",
        "worker/consuming/batch_consumer.py",
    ),
    "empty packages": Rule(
        "put the code in a module with a noun for a name, and import it from there",
        lambda path: path.endswith("__init__.py") and path not in PUBLISHED,
        more_than_a_docstring,
        '"""A package."""\nfrom models.domain.money import Money',
        "models/__init__.py",
    ),
    "one home for SQL": Rule(
        "add a function to models/store",
        lambda path: within(*PRODUCT)(path) and not path.startswith(SQL_HOMES),
        imports_package("sqlalchemy", but=SQL_HANDLES),
        "from sqlalchemy import text",
        "tasks/apply/path.py",
    ),
    "append-only entries": Rule(
        "write another entry that corrects it",
        within("models/store/", "tasks/"),
        text_matches(
            r"\b(update|delete\s+from)\s+(entries|records)\b|\b(update|delete)\(\s*(entry|entries|records?)\b", re.I
        ),
        "connection.execute(update(\n    Entry).values(amount=1))",
        "models/store/write/entries.py",
    ),
    "no sleep in tests": Rule(
        "wait for the condition: Event.wait or a process's wait, with a deadline",
        within("tests/"),
        uses("time.sleep"),
        "from time import sleep\nsleep(1)",
        "tests/integration/test_batches.py",
    ),
    "nothing left to do": Rule(
        "do it now, or open an issue",
        lambda _path: True,
        text_matches(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b"),
        "# TO" + "DO: later",
        "worker/app.py",
    ),
    "links resolve": Rule(
        "link to a file that is there",
        lambda path: path == "README.md" or (path.startswith("docs/") and path.endswith(".md")),
        dangling_links,
        "see [the guide](docs/nowhere.md#top)",
        "README.md",
    ),
    "README length": Rule(
        "move the rest to docs/",
        lambda path: path == "README.md",
        longer_than(README_LINES_MAX),
        "line\n" * (README_LINES_MAX + 1),
        "README.md",
    ),
    "no machine of ours": Rule(
        "name a relative path, and leave the package index to the reader's own configuration",
        lambda _path: True,
        text_matches(_MACHINE),
        "cd /" + "home/someone/balance-worker",
        "Makefile",
    ),
}


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """The text of each file that is or would be committed, by its path from the root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    paths = (path for path in listed.split("\0") if path and (ROOT / path).is_file())
    contents = ((path, (ROOT / path).read_bytes()) for path in paths)
    return {path: content.decode() for path, content in contents if b"\0" not in content}


@pytest.mark.parametrize("name", RULES)
def test_rule_holds(name: str, texts: dict[str, str]) -> None:
    rule = RULES[name]
    checked = {path: text for path, text in texts.items() if rule.applies(path)}
    breaches = [f"{path}:{line}: {found}" for path, text in checked.items() for line, found in rule.find(path, text)]
    assert not breaches, f"{name}: {rule.instead}\n" + "\n".join(breaches)


@pytest.mark.parametrize("name", RULES)
def test_rule_can_fail(name: str) -> None:
    rule = RULES[name]
    assert rule.applies(rule.bad_path)
    assert list(rule.find(rule.bad_path, rule.bad)), "the rule lets through what it forbids"


def test_allowed_homes_are_not_checked() -> None:
    assert not RULES["one commit"].applies(COMMIT_HOME)
    assert not RULES["environment"].applies("worker/settings/settings.py")
    assert not RULES["one home for SQL"].applies("models/store/write/jobs.py")
    assert not list(floats("models/contracts/decimal.py", "if isinstance(value, float): raise TypeError"))
