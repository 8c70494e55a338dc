"""Signatures of webhooks, verified by the specification and not by what signs: with the secrets of that time."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from tests.chaos.events.seen import Arrival

_CLOCKS: Final = timedelta(seconds=300)  # by which a receiver lets a signature's time be off
_UNDER_WAY: Final = timedelta(seconds=45)
"""How old a secret may be that another has replaced: that of a claim which was being sent, of a process that was paused
meanwhile, or while the commit of the new one waited for a standby."""
_AT_ONCE: Final = timedelta(seconds=10)
"""How old it is when nothing was paused or waited: that of nearly all."""
_FEW: Final = 20


@dataclass(frozen=True, slots=True)
class _Period:
    """From a job that gave a secret to the next one. `both_until`: the one before it signs too until then."""

    version: int
    began: datetime
    over: datetime | None
    both_until: datetime | None

    def signs(self, versions: frozenset[int], since: datetime, until: datetime) -> bool:
        """Whether these and no others may have signed at some time within these bounds."""
        began, over = max(self.began, since), min(self.over or until, until)
        if began > over:
            return False
        if versions == {self.version}:
            return self.both_until is None or over >= self.both_until
        return versions == {self.version, self.version - 1} and self.both_until is not None and began < self.both_until


class Signing:
    """The secrets that endpoints had, by what the jobs about them were answered. `key`: they are made from it."""

    def __init__(self, read: Callable[..., list[Any]], key: bytes) -> None:
        self._key = key
        self._old = 0  # arrivals by secrets that had been replaced for a while
        rows = read("select cast(id as text), url from webhook_endpoints")
        self._endpoints = {urlsplit(url).path: name for name, url in rows}
        given = read(
            "select outcome -> 'response' ->> 'id', cast(outcome -> 'response' ->> 'secret_version' as int),"
            " settled_at,"
            " cast(outcome -> 'response' ->> 'former_secret_until' as timestamptz) from jobs"
            " where name in ('webhooks.add', 'webhooks.rotate_secret') and code = 'applied'"
        )
        self._periods: dict[str, list[_Period]] = {}
        for name in self._endpoints.values():
            of = sorted(row[1:] for row in given if row[0] == name)
            ends = [*(began for _, began, _ in of[1:]), None]
            self._periods[name] = [
                _Period(number, began, over, both) for (number, began, both), over in zip(of, ends, strict=True)
            ]

    def wrong(self, arrivals: Sequence[Arrival]) -> Iterator[str]:
        for each in arrivals:
            said = self._said(each)
            if said is not None:
                yield f"{each.name} to {each.path} at {each.at}: {said}"
        if self._old > max(_FEW, len(arrivals) // 4):
            yield f"{self._old} of {len(arrivals)} were signed by secrets that had been replaced {_AT_ONCE} before"

    def _said(self, of: Arrival) -> str | None:
        endpoint = self._endpoints.get(of.path)
        if endpoint is None:
            return "there is no such endpoint"
        if not of.timestamp.isdigit() or abs(int(of.timestamp) - of.at.timestamp()) > _CLOCKS.total_seconds():
            return f"it is of {of.timestamp}"
        signed = f"{of.name}.{of.timestamp}.".encode() + of.body
        periods = self._periods[endpoint]
        made = {period.version: self._signature(endpoint, period.version, signed) for period in periods}
        given = of.signatures.split()
        versions = frozenset(version for version, signature in made.items() if signature in given)
        if len(versions) < len(given) or not versions:
            return f"{len(given)} signatures, of which {len(versions)} are good"
        self._old += not any(period.signs(versions, of.at - _AT_ONCE, of.at) for period in periods)
        if not any(period.signs(versions, of.at - _UNDER_WAY, of.at) for period in periods):
            return f"signed by the secrets {sorted(versions)}, which were not those of that time"
        return None

    def _signature(self, endpoint: str, version: int, signed: bytes) -> str:
        secret = hmac.new(self._key, f"{endpoint} {version}".encode(), hashlib.sha256).digest()
        return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
