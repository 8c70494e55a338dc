"""API keys: who may ask for which jobs. BALANCE_HTTP_KEYS holds hashes of them, never the keys.

A key is bwk_ID_SECRET: the id finds its entry, the secret proves that one has it. Secrets are random and long, so that
one round of SHA-256 keeps them as well as a slow hash would.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Final

import structlog

from models.contracts.catalogue import CATALOGUE
from models.contracts.wire.envelope import Identity
from models.domain.accounts import AccountKey, Kind

_LOG: Final = structlog.get_logger(__name__)
_FORM: Final = re.compile(r"bwk_([a-z0-9-]{1,64})_([A-Za-z0-9_-]{16,128})")
_HASH: Final = re.compile(r"sha256:([0-9a-f]{64})")
_HASHES_MAX: Final = 2  # the one in use, and the one that takes its place
_ALL: Final = "*"
_FIELDS: Final = frozenset({"hashes", "producer", "jobs", "app", "rate_per_s", "reads"})
_EVERY_S: Final = 1.0  # how often a file is looked at for changes
_NOBODY: Final = b"\0" * 32


@dataclass(frozen=True, slots=True)
class HttpKey:
    """An entry of BALANCE_HTTP_KEYS."""

    id: str
    hashes: tuple[bytes, ...] = field(repr=False)
    producer: str
    jobs: frozenset[str]
    app: AccountKey | None = None  # that the third API's token stands for
    rate_per_s: float | None = None  # None: as many as the settings allow
    reads: bool = True


class KeyRing:
    """The keys of a JSON object, or of the file at a path, which may change while it is in use."""

    def __init__(self, source: str) -> None:
        """Raises ValueError with a sentence that says what is wrong."""
        self._path = None if source.lstrip().startswith("{") else Path(source.strip())
        self._state = self._file_state()
        self._keys = keys_in(source if self._path is None else _read(self._path))
        self._looked_at = monotonic()

    def find(self, presented: str) -> HttpKey | None:
        """Whose key this is; None: nobody's. Takes as long for a wrong secret as for a right one."""
        self._look()
        parts = _FORM.fullmatch(presented)
        known = None if parts is None else self._keys.get(parts[1])
        digest = hashlib.sha256(b"" if parts is None else parts[2].encode()).digest()
        matches = [hmac.compare_digest(digest, each) for each in (known.hashes if known else (_NOBODY,))]
        return known if any(matches) else None

    def _look(self) -> None:
        """Takes what a file says now. One that is wrong changes nothing: nobody is locked out by a slip."""
        if self._path is None or monotonic() - self._looked_at < _EVERY_S:
            return
        self._looked_at = monotonic()
        state = self._file_state()
        if state == self._state:
            return
        self._state = state
        try:
            self._keys = keys_in(_read(self._path))
        except ValueError as error:
            _LOG.error("http.keys_unusable", error=str(error), next="put the file right: the keys before it hold")
        else:
            _LOG.info("http.keys_read", keys=len(self._keys))

    def _file_state(self) -> tuple[int, int] | None:
        if self._path is None:
            return None
        try:
            found = self._path.stat()
        except OSError:
            return None  # reading it says why
        return found.st_mtime_ns, found.st_ino


def new_key(key_id: str) -> tuple[str, str]:
    """A key, which is shown once, and its hash as BALANCE_HTTP_KEYS takes it."""
    secret = secrets.token_urlsafe(32)
    return f"bwk_{key_id}_{secret}", hash_of(secret)


def hash_of(secret: str) -> str:
    return f"sha256:{hashlib.sha256(secret.encode()).hexdigest()}"


def keys_in(text: str) -> Mapping[str, HttpKey]:
    """The keys that a JSON object names, by their ids. Raises ValueError with a sentence."""
    try:
        given = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg} in line {error.lineno}, column {error.colno}") from None
    if not isinstance(given, dict):
        raise ValueError('must be an object like {"billing-1": {"hashes": ["sha256:…"], "producer": "billing"}}')
    return {name: _key(name, value) for name, value in given.items()}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"is neither a JSON object nor a file that can be read ({error.strerror})") from None
    except ValueError:
        raise ValueError("is neither a JSON object nor a file of UTF-8 text") from None


def _key(name: str, value: Any) -> HttpKey:
    if not re.fullmatch("[a-z0-9-]{1,64}", name):
        raise ValueError(f"{name!r}: an id is 1 to 64 of a-z, 0-9 and -")
    if not isinstance(value, dict) or not {"hashes", "producer"} <= set(value) <= _FIELDS:
        raise ValueError(f'{name}: must be an object with "hashes" and "producer", perhaps {_optional()}')
    return HttpKey(
        name,
        _hashes(name, value["hashes"]),
        _producer(name, value["producer"]),
        _jobs(name, value.get("jobs", [_ALL])),
        _app(name, value.get("app")),
        _rate(name, value.get("rate_per_s")),
        _flag(name, value.get("reads", True)),
    )


def _optional() -> str:
    return ", ".join(sorted(_FIELDS - {"hashes", "producer"}))


def _hashes(name: str, given: Any) -> tuple[bytes, ...]:
    found = [_HASH.fullmatch(each) if isinstance(each, str) else None for each in given] if _is_list(given) else []
    if not 1 <= len(found) <= _HASHES_MAX or None in found:
        raise ValueError(f"{name}: hashes must be 1 of sha256:…, or 2 while one takes the other's place")
    return tuple(bytes.fromhex(each[1]) for each in found if each)


def _producer(name: str, given: Any) -> str:
    try:
        return Identity.model_validate({"idempotency_key": "any", "producer": given}).producer
    except ValueError:
        raise ValueError(f"{name}: producer must be a name of 1 to 255 printable characters") from None


def _jobs(name: str, given: Any) -> frozenset[str]:
    if not _is_list(given):
        raise ValueError(f'{name}: jobs must be a list of job names, or ["{_ALL}"] for all')
    if given == [_ALL]:
        return frozenset(CATALOGUE)
    if strange := [str(job) for job in given if not isinstance(job, str) or job not in CATALOGUE]:
        raise ValueError(f"{name}: there is no job {strange[0]!r}; there are {', '.join(CATALOGUE)}")
    return frozenset(given)


def _app(name: str, given: Any) -> AccountKey | None:
    if given is None:
        return None
    if not isinstance(given, dict) or set(given) != {"app_id", "store_id"}:
        raise ValueError(f'{name}: app must be an object with "app_id" and "store_id"')
    app_id, store_id = (str(given[each]) for each in ("app_id", "store_id"))
    if not app_id or not store_id or "/" in app_id:
        raise ValueError(f"{name}: app_id and store_id must not be empty, and app_id has no slash")
    return AccountKey(Kind.APP, f"{app_id}/{store_id}")


def _rate(name: str, given: Any) -> float | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= 1_000_000:
        raise ValueError(f"{name}: rate_per_s must be a number above 0")
    return float(given)


def _flag(name: str, given: Any) -> bool:
    if not isinstance(given, bool):
        raise ValueError(f"{name}: reads must be true or false")
    return given


def _is_list(given: Any) -> bool:
    return isinstance(given, list)
