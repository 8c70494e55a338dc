"""What is done to the place of the anchors, or to what the database remembers of them, is named."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from models.domain.evidence.anchors import Anchor, parts_of
from tests.support.anchored import Anchored, lines, write
from tests.support.builders import execute
from worker.anchors.faults import AnchorFault
from worker.anchors.keys import Signer, make_keys

pytestmark = pytest.mark.tampered_ledger


def edited(line: str, **changes: Any) -> str:
    signature, payload = line.split(" ", 1)
    return f"{signature} {json.dumps({**json.loads(payload), **changes}, separators=(',', ':'))}"


FILES: dict[str, tuple[Callable[[list[str]], list[str]], dict[str, str]]] = {
    "edited": (
        lambda all_: [all_[0], edited(all_[1], accounts=9), all_[2]],
        {"anchor 2": "the place has it no more, or not as it was", "anchor 3": "does not follow the line before it"},
    ),
    "reordered": (
        lambda all_: [all_[0], all_[2], all_[1]],
        {"anchor 3": "stands where anchor 2 belongs", "anchor 2": "stands where anchor 4 belongs"},
    ),
    "cut at its end": (lambda all_: all_[:2], {"anchor 3": "was written, and the place has it no more"}),
    "cut at its beginning": (
        lambda all_: all_[1:], {"anchor 2": "stands where anchor 1 belongs", "anchor 1": "the place has it no more"},
    ),
    "without one in the middle": (
        lambda all_: [all_[0], all_[2]],
        {"anchor 3": "stands where anchor 2 belongs", "anchor 2": "the place has it no more"},
    ),
    "with one twice": (lambda all_: [*all_[:2], all_[1], all_[2]], {"anchor 2": "stands where anchor 3 belongs"}),
    "with anything else": (lambda all_: [*all_, "AAAA {}"], {"anchors, line 4": "cannot be read"}),
    "cut within a line": (lambda all_: [*all_[:2], all_[2][:500]], {"anchors, line 3": "cannot be read"}),
    "empty": (lambda _: [], {f"anchor {number}": "the place has it no more" for number in (1, 2, 3)}),
}  # fmt: skip


@pytest.mark.parametrize("how", FILES)
def test_a_file_of_anchors_that_was_changed_is_named(three: Anchored, how: str) -> None:
    change, wanted = FILES[how]
    write(three.path, change(lines(three.path)))
    found = three.problems()
    assert dict.fromkeys(wanted, True) == {about: wanted[about] in found.get(about, "") for about in wanted}, found


def test_a_file_that_was_cut_or_exchanged_is_not_gone_on_with(three: Anchored) -> None:
    whole = lines(three.path)
    for less in (whole[:2], []):
        write(three.path, less)
        with pytest.raises(AnchorFault, match="anchor 3 was written, and"):
            three.anchor()
    three.path.unlink()
    with pytest.raises(AnchorFault, match="there is none in this place"):
        three.anchor()
    write(three.path, [*whole[:2], edited(whole[2], accounts=1)])
    with pytest.raises(AnchorFault, match="anchor 3 was written, and the place ends with anchor 3"):
        three.anchor()


def test_who_signs_it_is_known(three: Anchored, tmp_path: Path) -> None:
    stranger, theirs = make_keys(tmp_path / "stranger")
    mine, three.signer = three.signer, Signer(stranger)
    three.anchor()
    assert f"is signed with the key {three.signer.key}, which is none of {mine.key}" in three.problems()["anchor 4"]
    assert three.problems(three.public, theirs) == {}, "as after a rotation"
    bundle = tmp_path / "both.pub"
    bundle.write_bytes(three.public.read_bytes() + theirs.read_bytes())
    assert three.problems(bundle) == {}
    whole = lines(three.path)
    write(three.path, [edited(whole[0], key=three.signer.key), *whole[1:]])
    assert "its signature is not that of the key" in three.problems(three.public, theirs)["anchor 1"]


def test_files_beside_the_anchors_fit_or_are_named(three: Anchored) -> None:
    beside = Path(f"{three.path}.d")
    newest = Anchor.read(parts_of(lines(three.path)[2])[1])
    assert newest.heads_file is not None
    heads = beside / newest.heads_file
    whole = heads.read_bytes()
    for content in (b"no gzip", whole[:-20], gzip.compress(gzip.decompress(whole).replace(b":1", b":7"))):
        heads.write_bytes(content)
        assert newest.heads_file in three.problems().get("anchor 3", "")
    heads.write_bytes(gzip.compress(gzip.decompress(whole)[:-1] + b'\n["account",9,"user:9","RUB",2,0,"",0]\n'))
    assert "is not the one that the anchor is of" in three.problems()["anchor 3"]
    heads.unlink()
    found = three.comparison()
    assert (found.problems, found.without) == ([], [3])


def test_rows_taken_from_the_databases_memory_are_named(engine: Engine, three: Anchored) -> None:
    execute(engine, "delete from anchors where sequence = 1")
    assert "is not known to the database" in three.problems()["anchor 1"]
    execute(engine, "update anchors set hash = sha256('x') where sequence = 2")
    assert "is another than the one that the database remembers" in three.problems()["anchor 2"]
