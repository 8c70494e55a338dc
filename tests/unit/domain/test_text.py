"""The texts that hashes are made of are those of `json`, character by character."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain.text import json_encoder

_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None))
_VALUES = st.recursive(_LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@pytest.mark.parametrize("sort_keys", [False, True])
@pytest.mark.parametrize("native", [True, False])
def test_it_is_what_json_writes(sort_keys: bool, native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not native:
        monkeypatch.setattr("json.encoder.c_make_encoder", None)
    encode = json_encoder(sort_keys=sort_keys)

    @given(_VALUES)
    def same(value: Any) -> None:
        usual = json.dumps(value, ensure_ascii=False, sort_keys=sort_keys, separators=(",", ":"))
        assert encode(value) == usual

    same()


def test_what_json_cannot_write_is_refused_alike() -> None:
    deep: list[Any] = []
    circle: list[Any] = []
    circle.append(circle)
    for _ in range(100_000):
        deep = [deep]
    for value, error in (
        (object(), TypeError),
        ({(1,): 2}, TypeError),
        (deep, RecursionError),
        (circle, RecursionError),
    ):
        with pytest.raises(error):
            json_encoder()(value)
