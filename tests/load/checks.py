"""What must hold of everything that arrived somewhere, whatever had to be sent again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from tests.load.receiver import FAILURES


@dataclass(slots=True)
class Arrived:
    """At one destination, in the order in which it came. `taken`: how many, each event once."""

    where: str
    taken: int = 0
    again: int = 0
    failed: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FAILURES, 0))
    findings: list[str] = field(default_factory=list)
    _ids: dict[str, tuple[str, int]] = field(default_factory=dict)
    _last: dict[str, int] = field(default_factory=dict)

    def take(self, name: str, account: str, seq: int) -> None:
        """An event has come, and was taken."""
        known = self._ids.setdefault(name, (account, seq))
        if known != (account, seq):
            self._find(f"{name} is event {seq} of {account}, and was {known[1]} of {known[0]}")
        last = self._last.get(account, 0)
        if seq <= last:
            self.again += 1
            return
        if seq != last + 1:
            self._find(f"event {seq} of {account} came after {last}")
        self._last[account] = seq
        self.taken += 1

    def end(self, wanted: Mapping[str, int]) -> None:
        """`wanted`: how many events each account has told."""
        for account, count in wanted.items():
            if self._last.get(account, 0) != count:
                self._find(f"of {account} {self._last.get(account, 0)} came of {count}")
        if len(self._ids) != self.taken:
            self._find(f"{self.taken} events came under {len(self._ids)} ids")

    def _find(self, what: str) -> None:
        self.findings.append(f"{self.where}: {what}")


def of_stream(client: Any, name: str, wanted: Mapping[str, int]) -> Arrived:
    """`client`: of the Redis that has the stream."""
    arrived, after = Arrived("stream"), "-"
    while entries := client.xrange(name, min=after, count=5_000):
        for _, fields in entries:
            event = msgspec.json.decode(fields[b"event"])
            arrived.take(event["id"], event["account"], event["seq"])
        after = "(" + entries[-1][0].decode()
    arrived.end(wanted)
    return arrived


def of_receiver(log: Path, wanted: Mapping[str, int]) -> Arrived:
    """By what the receiver has written down. What it has not answered whole, it has not taken."""
    arrived = Arrived("webhooks")
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            name, account, seq, word = line.split()
            if word == "taken":
                arrived.take(name, account, int(seq))
            elif word in arrived.failed:
                arrived.failed[word] += 1
            else:
                arrived.findings.append(f"webhooks: {name} was not signed as it should be")
    arrived.end(wanted)
    return arrived


def all_findings(arrived: Iterable[Arrived]) -> list[str]:
    return [finding for each in arrived for finding in each.findings]
