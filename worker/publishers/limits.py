"""What is let in: how large, how deep, of which version of the contracts, and from whom."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from kombu import compression

from models.contracts.message import Malformed
from models.contracts.wire.signature import CONTRACT_VERSION, VERSION
from worker.publishers.producers import ANYBODY, Producers, Sender

DEPTH_MAX: Final = 32
"""Levels of arrays and objects in a body. A job needs 5; callbacks and chains of Celery's need a few more."""


@dataclass(frozen=True, slots=True)
class Intake:
    """The limits of one worker. Each violation is a Malformed with a code of its own."""

    max_bytes: int
    producers: Producers | None = None  # None: whoever reaches the broker may publish

    def check_size(self, body: bytes | str) -> None:
        """Before anything is parsed: what is parsed takes many times the memory of its text."""
        if len(body) > self.max_bytes:
            raise Malformed(
                "oversized", f"the body has {len(body)} bytes; BALANCE_MAX_MESSAGE_BYTES is {self.max_bytes}"
            )

    @staticmethod
    def check_depth(body: bytes | str, content: Any) -> None:
        """The brackets of the text are counted first: nearly every body has too few of them to be deep."""
        brackets = body.count("[") + body.count("{") if isinstance(body, str) else body.count(b"[") + body.count(b"{")
        if brackets > DEPTH_MAX and _deeper_than(DEPTH_MAX, content):
            raise too_deep()

    def admit(self, task: str, kwargs: Mapping[str, Any], message: Any) -> Sender:
        """Who sent it. Raises Malformed for a version that is not spoken here, or who may not send this."""
        headers = message.headers if isinstance(message.headers, dict) else {}
        version = headers.get(CONTRACT_VERSION, VERSION)
        if str(version) != str(VERSION):
            raise Malformed(
                "unknown_version",
                f"the message speaks version {str(version)[:50]!r} of the contracts; this worker speaks {VERSION}",
            )
        if self.producers is None:
            return ANYBODY
        body, properties = message.body, message.properties if isinstance(message.properties, dict) else {}
        raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body)
        return self.producers.admit(task, kwargs, headers, raw, properties.get("reply_to"))


def too_deep() -> Malformed:
    return Malformed("too_deep", f"the body is nested more than {DEPTH_MAX} levels deep")


def _deeper_than(limit: int, content: Any) -> bool:
    level = [content]
    for _ in range(limit):
        level = [
            child
            for each in level
            if isinstance(each, (list, dict))
            for child in (each if isinstance(each, list) else each.values())
        ]
    return any(isinstance(each, (list, dict)) for each in level)


class _Decompressor(Protocol):
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


_BOUNDED: Final[dict[str, Any]] = {
    "application/x-gzip": zlib.decompressobj,
    "application/x-bz2": bz2.BZ2Decompressor,
    "application/x-lzma": lzma.LZMADecompressor,
}


def bound_decompression(max_bytes: int) -> None:
    """From now on no body of this process unpacks to more than `max_bytes`, however small it arrives."""
    for method in compression.encoders():
        decode = partial(_unpack, _BOUNDED[method], max_bytes) if method in _BOUNDED else partial(_refuse, method)
        encoder: Any = compression.get_encoder(method)
        compression.register(encoder[0], decode, method)


def _unpack(make: Any, max_bytes: int, packed: bytes) -> bytes:
    decompressor: _Decompressor = make()
    unpacked = decompressor.decompress(packed, max_bytes + 1)
    if len(unpacked) > max_bytes:
        raise ValueError(f"it unpacks to more than BALANCE_MAX_MESSAGE_BYTES = {max_bytes} bytes")
    if not getattr(decompressor, "eof", True):
        raise ValueError("it ends before it is complete")
    return unpacked


def _refuse(method: str, _packed: bytes) -> bytes:
    raise ValueError(f"{method} is not read here; compress with gzip or not at all")
