"""Limits on what comes in: size, depth, version, and what a small body may unpack to."""

from __future__ import annotations

import bz2
import json
import lzma
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from kombu import compression
from kombu.message import Message

from models.contracts.catalogue import CATALOGUE
from models.contracts.message import Malformed, parse
from models.contracts.spec.examples import EXAMPLES
from models.domain.deciding.commands import Job
from models.domain.outcome import Refusal
from worker.publishers.limits import DEPTH_MAX, Intake, bound_decompression
from worker.runtime import Runtime
from worker.settings.settings import Settings

INTAKE = Runtime(Settings()).intake


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_largest_job_there_can_be_is_let_in(name: str) -> None:
    """Every text as long as it may be, and every character written as Celery writes it: in twelve bytes."""
    metadata = {f"{number:02}" + "😀" * 38: "😀" * 500 for number in range(50)}
    body = {**EXAMPLES[name][0], "metadata": metadata, "idempotency_key": "😀" * 255, "producer": "😀" * 255}
    for text in ("description", "name"):
        if text in CATALOGUE[name].model_fields:
            body[text] = "😀" * 250
    job = parse(name, body)
    assert isinstance(job, Job)
    assert not isinstance(job.command, Refusal), job.command
    raw = json.dumps([[], body, {}]).encode()
    assert len(raw) > 300_000
    assert len(raw) * 2 < INTAKE.max_bytes, "room for callbacks and for contracts that grow"
    INTAKE.check_size(raw)
    INTAKE.check_depth(raw, json.loads(raw))


@pytest.mark.parametrize("body", [b"x" * 101, "x" * 101])
def test_a_body_over_the_limit_is_not_parsed(body: bytes | str) -> None:
    intake = Intake(100)
    intake.check_size(body[:100])
    with pytest.raises(Malformed, match=r"has 101 bytes; BALANCE_MAX_MESSAGE_BYTES is 100") as refused:
        intake.check_size(body)
    assert refused.value.reason == "oversized"


@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: [[], {"a": [{}] * 40, "b": value}]])
def test_depth_is_measured_and_not_the_number_of_brackets(wrap: Any) -> None:
    extra = 0 if wrap(1) == 1 else 2
    for levels in (1, DEPTH_MAX - extra):
        text = json.dumps(wrap(nested(levels)))
        INTAKE.check_depth(text, json.loads(text))
        INTAKE.check_depth(text.encode(), json.loads(text))
    text = json.dumps(wrap(nested(DEPTH_MAX - extra + 1)))
    with pytest.raises(Malformed) as refused:
        INTAKE.check_depth(text, json.loads(text))
    assert refused.value.reason == "too_deep"


def _message(headers: dict[str, Any]) -> Any:
    return Message("", headers=headers)


@pytest.mark.parametrize("version", [1, "1"])
def test_the_version_spoken_here_may_be_named(version: Any) -> None:
    INTAKE.admit("wallets.top_up", {}, _message({"balance_version": version}))
    INTAKE.admit("wallets.top_up", {}, _message({}))


@pytest.mark.parametrize("version", [2, "2", 0, None, "", [1], 1.5])
def test_a_version_that_is_not_spoken_here_is_refused(version: Any) -> None:
    with pytest.raises(Malformed, match="this worker speaks 1") as refused:
        INTAKE.admit("wallets.top_up", {}, _message({"balance_version": version}))
    assert refused.value.reason == "unknown_version"


@pytest.fixture
def bounded() -> Iterator[None]:
    """kombu's own decoders are put back afterwards: other tests run in this process."""
    known: Any = compression
    kept = {method: (known.get_encoder(method)[0], known.get_decoder(method)) for method in known.encoders()}
    bound_decompression(1000)
    yield
    for method, (encoder, decoder) in kept.items():
        compression.register(encoder, decoder, method)


@pytest.mark.parametrize("pack", [zlib.compress, bz2.compress, lzma.compress])
def test_a_small_body_cannot_unpack_to_a_huge_one(bounded: None, pack: Any) -> None:
    method = {zlib.compress: "gzip", bz2.compress: "bzip2", lzma.compress: "lzma"}[pack]
    assert compression.decompress(pack(b"x" * 1000), method) == b"x" * 1000
    with pytest.raises(ValueError, match="unpacks to more than BALANCE_MAX_MESSAGE_BYTES"):
        compression.decompress(pack(b"x" * 100_000_000), method)
    with pytest.raises(ValueError, match="ends before it is complete"):
        compression.decompress(pack(b"x" * 1000)[:-1], method)
