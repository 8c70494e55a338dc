"""Anchors: what the ledger is at one moment, signed and said to a place outside, so that it cannot have been otherwise.

An anchor is a line: the signature (Ed25519, base64), a space, and the payload, one JSON object, whose bytes are what is
signed. It names the line before it by its SHA-256. `docs/security.md`, Anchors, has the form for auditors.

    heads    of each chain the number and the hash of its last entry. Hashed by buckets (id modulo 256) in the order of
             their ids, and the buckets to one root
    jobs     settled from `from` to before `until`, hashed in the order of their ids, which is that of their times
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from models.domain.text import json_encoder
from models.domain.value import value

FORMAT: Final = 1
BUCKETS: Final = 256
_encode: Final = json_encoder()
_LEAF, _NODE = b"\0", b"\1"  # so that no leaf can be taken for a node


class Unreadable(ValueError):
    """A line is no anchor, or a line of a file beside it none of its lines."""


@value(frozen=True, slots=True)
class Head:
    """Where a chain ends. `chain`: "account", with its entries, or "journal", with its records and no balance. `name`:
    wallet:w_1. `balance`: in units of 10**-scale of `unit`."""

    chain: str
    id: int
    name: str
    unit: str
    scale: int
    seq: int
    hash: str  # in hex; empty where there is nothing yet
    balance: int

    def line(self) -> str:
        return _encode([self.chain, self.id, self.name, self.unit, self.scale, self.seq, self.hash, self.balance])

    @classmethod
    def read(cls, line: str) -> Head:
        """Raises Unreadable."""
        match _loaded(line):
            case [str(), int(), str(), str(), int(), int(), str(), int()] as values:
                return cls(*values)
        raise Unreadable(line[:80])


@value(frozen=True, slots=True)
class JobLine:
    """A settled job. `digest`: over all of its row that never changes, the answer included; in hex."""

    id: str
    producer: str
    key: str
    code: str
    digest: str

    def line(self) -> str:
        return _encode([self.id, self.producer, self.key, self.code, self.digest])

    @classmethod
    def read(cls, line: str) -> JobLine:
        """Raises Unreadable."""
        match _loaded(line):
            case [str(), str(), str(), str(), str()] as values:
                return cls(*values)
        raise Unreadable(line[:80])


def job_digest(columns: Iterable[Any]) -> str:
    """SHA-256 of a job's columns, as one JSON array; the answer as its own SHA-256."""
    return hashlib.sha256(_encode([*columns]).encode()).hexdigest()


@dataclass(slots=True)
class Heads:
    """Hashes heads as they come, in their order. Holds 256 digests, however many there are."""

    accounts: int = 0
    entries: int = 0
    sums: dict[tuple[str, int], int] = field(default_factory=dict)  # of balances, by (unit, scale)
    _buckets: list[Any] = field(default_factory=lambda: [hashlib.sha256(_LEAF) for _ in range(BUCKETS)])

    def add(self, head: Head, line: str) -> None:
        """`line`: the head's own, with its end."""
        self._buckets[head.id % BUCKETS].update(line.encode())
        if head.chain == "account":
            self.accounts += 1
            self.entries += head.seq
            key = head.unit, head.scale
            self.sums[key] = self.sums.get(key, 0) + head.balance

    def buckets(self) -> tuple[bytes, ...]:
        return tuple(bucket.digest() for bucket in self._buckets)


def root_of(buckets: Iterable[bytes]) -> bytes:
    """The Merkle root: SHA-256 of pairs, until one is left."""
    level = [*buckets]
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=True)
        level = [hashlib.sha256(_NODE + left + right).digest() for left, right in pairs]
    return level[0]


@dataclass(slots=True)
class Jobs:
    """Hashes job lines as they come, in their order."""

    count: int = 0
    _digest: Any = field(default_factory=hashlib.sha256)

    def add(self, job: JobLine) -> None:
        self.count += 1
        self._digest.update(f"{job.id}{job.digest}".encode())

    def digest(self) -> str:
        return str(self._digest.hexdigest())


@value(frozen=True, slots=True)
class Window:
    """Jobs settled from `since` to before `until` (ms since 1970)."""

    since: int
    until: int
    count: int
    digest: str


@value(frozen=True, slots=True)
class Anchor:
    sequence: int
    time: str  # RFC 3339, of the database's clock
    previous: str  # SHA-256 of the line before, in hex; empty for the first
    key: str  # id of the public key
    accounts: int
    entries: int
    sums: tuple[tuple[str, int, int], ...]  # (unit, scale, sum of the balances)
    buckets: tuple[bytes, ...]
    jobs: Window
    heads_file: str | None = None
    jobs_file: str | None = None

    @property
    def root(self) -> bytes:
        return root_of(self.buckets)

    def payload(self) -> bytes:
        """What is signed."""
        document = {
            "format": FORMAT,
            "sequence": self.sequence,
            "time": self.time,
            "previous": self.previous,
            "key": self.key,
            "accounts": self.accounts,
            "entries": self.entries,
            "balances": [[unit, scale, str(units)] for unit, scale, units in self.sums],
            "root": self.root.hex(),
            "buckets": b64encode(b"".join(self.buckets)).decode(),
            "jobs": {
                "from": self.jobs.since,
                "until": self.jobs.until,
                "count": self.jobs.count,
                "digest": self.jobs.digest,
            },
            "files": {"heads": self.heads_file, "jobs": self.jobs_file},
        }
        return _encode(document).encode()

    @classmethod
    def read(cls, payload: bytes) -> Anchor:
        """Raises Unreadable."""
        try:
            document = _loaded(payload.decode())
            if document["format"] != FORMAT:
                raise Unreadable(f"format {document['format']} is unknown")
            joined = b64decode(document["buckets"], validate=True)
            buckets = tuple(joined[at : at + 32] for at in range(0, len(joined), 32))
            jobs, files = document["jobs"], document["files"]
            read = cls(
                int(document["sequence"]),
                str(document["time"]),
                str(document["previous"]),
                str(document["key"]),
                int(document["accounts"]),
                int(document["entries"]),
                tuple((str(unit), int(scale), int(units)) for unit, scale, units in document["balances"]),
                buckets,
                Window(int(jobs["from"]), int(jobs["until"]), int(jobs["count"]), str(jobs["digest"])),
                _name(files["heads"]),
                _name(files["jobs"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise Unreadable(f"no anchor: {error}") from error
        if len(joined) != 32 * BUCKETS or read.root.hex() != document["root"]:
            raise Unreadable("its root is not that of its buckets")
        return read


def line_of(payload: bytes, signature: bytes) -> str:
    """The whole line, without its end."""
    return f"{b64encode(signature).decode()} {payload.decode()}"


def line_hash(line: str) -> bytes:
    return hashlib.sha256(line.encode()).digest()


def parts_of(line: str) -> tuple[bytes, bytes]:
    """(signature, payload) of a line. Raises Unreadable."""
    signature, _, payload = line.partition(" ")
    try:
        return b64decode(signature, validate=True), payload.encode()
    except ValueError as error:
        raise Unreadable("its signature is no base64") from error


def _name(value: object) -> str | None:
    """Of a file beside the anchors: never a way to another."""
    if value is None:
        return None
    if not isinstance(value, str) or not value or "/" in value or value.startswith("."):
        raise Unreadable("a file's name leads elsewhere")
    return value


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable("no JSON") from error
