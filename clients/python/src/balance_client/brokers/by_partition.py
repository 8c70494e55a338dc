"""Which broker has the queue of which partition, where there are several."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from balance_client.brokers.addresses import Unusable, check_broker

EXAMPLE: Final = '{"0-7": "redis://a:6379/0", "8-15": "redis://b:6379/0"}'
_RANGE: Final = re.compile(r"([0-9]{1,4})(?:-([0-9]{1,4}))?")


def broker_of_each(brokers: Mapping[str, str], partitions: int) -> list[str]:
    """The URL of each partition's broker, partition 0 first. `brokers`: URLs by ranges, "0-7" or "8".

    Raises ValueError with a sentence: every partition has to be in one range, and in no other.
    """
    if not partitions:
        raise ValueError("brokers by partition need partitions: there are none")
    found: dict[int, str] = {}
    for name, url in brokers.items():
        first, last = _range(name, partitions)
        _check(name, url)
        for partition in range(first, last + 1):
            if partition in found:
                raise ValueError(f"partition {partition} has two brokers: let each range begin after the one before it")
            found[partition] = url
    if missing := [str(partition) for partition in range(partitions) if partition not in found]:
        raise ValueError(f"no broker for partitions {', '.join(missing)}: each of 0-{partitions - 1} needs one")
    return [found[partition] for partition in range(partitions)]


def brokers_in(source: str) -> dict[str, str]:
    """What a JSON object, or the file at a path, says. Raises ValueError with a sentence, which shows no URL."""
    try:
        text = source if source.lstrip().startswith("{") else Path(source.strip()).read_text(encoding="utf-8")
    except (OSError, ValueError):
        raise ValueError(f"is neither a JSON object such as {EXAMPLE} nor a file that can be read") from None
    try:
        given = json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg} in line {error.lineno}, column {error.colno}") from None
    if not isinstance(given, dict) or not all(isinstance(url, str) for url in given.values()):
        raise ValueError(f"must be an object of URLs by ranges, such as {EXAMPLE}")
    return given


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A range that stands there twice would be the last one's alone."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name} stands there twice: let each range have one broker")
        found[name] = value
    return found


def _range(name: str, partitions: int) -> tuple[int, int]:
    parts = _RANGE.fullmatch(name)
    if parts is None:
        raise ValueError(f"{name!r} is no range of partitions: write 8, or 0-7")
    first = int(parts[1])
    last = first if parts[2] is None else int(parts[2])
    if first > last or last >= partitions:
        raise ValueError(f"{name} is no range of the partitions 0-{partitions - 1}: write FIRST-LAST, such as 0-7")
    return first, last


def _check(name: str, url: str) -> None:
    try:
        check_broker(url)
    except Unusable as error:
        raise ValueError(f"the broker of {name}: {str(error) or 'its URL is none of a broker'}") from None
