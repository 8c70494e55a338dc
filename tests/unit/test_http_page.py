"""docs/http.md against the code: each code of the door, and each path, is on the page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from models.domain.outcome import Code
from worker.http.operations import OPERATIONS

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
_CODE: Final = re.compile(r"(?:Refused|refusing)\(\s*[0-9]{3},\s*\"([a-z_]+)\"")


def test_each_code_of_the_door_is_on_its_page() -> None:
    texts = [file.read_text(encoding="utf-8") for file in (ROOT / "worker" / "http").rglob("*.py")]
    codes = {code for text in texts for code in _CODE.findall(text)} - {code.value for code in Code}
    assert len(codes) > 10
    assert [code for code in sorted(codes) if f"`{code}`" not in PAGE] == []


def test_each_job_that_has_a_path_is_on_its_page() -> None:
    missing = [
        each.job for each in OPERATIONS if f"`{each.job}`" not in PAGE and f"`.{each.job.split('.')[1]}`" not in PAGE
    ]
    assert missing == []
