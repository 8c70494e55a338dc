"""Documents that are written while they are read: JSON wherever they end, and whole only where nothing went wrong."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout, suppress
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from worker.cli.terminal.faults import Stop
from worker.cli.terminal.streamed import StreamedJson

ROOT = Path(__file__).resolve().parents[2]
ERRORS = [
    (Stop("line 3: no"), "line 3: no"),
    (OperationalError("select 1", {}, Exception("gone")), "database"),
    (ValueError("a mistake"), "ValueError: see stderr"),
    (KeyboardInterrupt(), "KeyboardInterrupt: see stderr"),
]


def written(items: int, error: BaseException | None, *, ended: bool) -> str:
    out = io.StringIO()
    with redirect_stdout(out), suppress(BaseException), StreamedJson({"of": "\u202ea"}, "rows") as stream:
        for number in range(items):
            stream.item({"number": number})
        if ended:
            stream.end({"sum": items})
        if error is not None:
            raise error
    return out.getvalue()


@pytest.mark.parametrize("items", [0, 1, 3])
@pytest.mark.parametrize(("error", "says"), ERRORS)
def test_it_is_json_wherever_it_ends(items: int, error: BaseException, says: str) -> None:
    found = json.loads(written(items, error, ended=False))
    assert (found["of"], len(found["rows"])) == ("\u202ea", items)
    assert says in found["error"]
    assert "sum" not in found


@pytest.mark.parametrize("error", [None, ERRORS[0][0]])
def test_what_is_whole_has_no_error(error: BaseException | None) -> None:
    assert json.loads(written(2, error, ended=True)) == {
        "of": "\u202ea",
        "rows": [{"number": 0}, {"number": 1}],
        "sum": 2,
    }


def test_nothing_is_written_to_who_has_gone() -> None:
    assert written(1, BrokenPipeError(), ended=False).endswith('{"number":0}')


def test_each_of_them_is_a_block() -> None:
    """Whoever begins one outside of a block leaves half of it behind when it fails."""
    begun = {
        f"{file.name}: {line.strip()}"
        for file in (ROOT / "worker").rglob("*.py")
        for line in file.read_text().splitlines()
        if "StreamedJson(" in line and "with " not in line
    }
    assert begun == {
        'reconcile.py: document = StreamedJson({"file": str(file)}, "findings") if as_json else nullcontext()',
        'statement_forms.py: self._stream = StreamedJson(heads(self.account, self.period), "entries")',
    }, "these two are entered by reconcile.py and statement.py"
