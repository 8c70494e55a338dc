"""Producers, each with its secrets and the jobs it may publish. BALANCE_PRODUCERS names them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from models.contracts.catalogue import CATALOGUE
from models.contracts.envelope import DEFAULT_PRODUCER
from models.contracts.message import Malformed
from models.domain.signature import SECRET_LENGTH_MIN, SIGNATURE, SIGNED_AT, signed_by
from worker.ledger_clock import LEDGER_CLOCK

_SECRETS_MAX: Final = 2  # the one in use, and the one before or after it
_ALL: Final = "*"


@dataclass(frozen=True, slots=True)
class Producer:
    """One publishing service."""

    secrets: tuple[str, ...] = field(repr=False)
    jobs: frozenset[str]
    reverses: frozenset[str] = frozenset()  # whose jobs it may reverse beside its own; "*": everybody's


@dataclass(frozen=True, slots=True)
class Producers:
    """All who may publish. `max_age_s`: how old a signature may be, 0 for any age."""

    by_name: Mapping[str, Producer]
    max_age_s: float = 0

    def admit(self, task: str, kwargs: Mapping[str, Any], headers: Mapping[str, Any], body: bytes) -> None:
        """Raises Malformed unless a producer who may publish this job has signed exactly these bytes."""
        name = kwargs.get("producer", DEFAULT_PRODUCER)
        producer = self.by_name.get(name) if isinstance(name, str) else None
        if producer is None:
            raise Malformed("unknown_producer", f"BALANCE_PRODUCERS names no producer {str(name)[:255]!r}")
        signature, signed_at = headers.get(SIGNATURE), headers.get(SIGNED_AT)
        if signature is None:
            raise Malformed("unsigned", f"the message has no header {SIGNATURE}; docs/security.md says how to sign")
        genuine = isinstance(signature, str) and (signed_at is None or type(signed_at) is int)
        if not genuine or not signed_by(producer.secrets, signature, task, body, signed_at):
            raise Malformed("bad_signature", f"no secret of {name} made this signature for this body and job")
        if task not in producer.jobs:
            raise Malformed("not_allowed", f"{name} may not publish {task}: BALANCE_PRODUCERS gives it other jobs")
        if self.max_age_s:
            self._check_age(signed_at)

    def _check_age(self, signed_at: int | None) -> None:
        if signed_at is None:
            raise Malformed("stale", f"the message has no header {SIGNED_AT}; BALANCE_SIGNATURE_MAX_AGE_S asks for it")
        age_s = LEDGER_CLOCK.now().timestamp() - signed_at
        if abs(age_s) > self.max_age_s:
            raise Malformed("stale", f"signed {age_s:.0f} s ago; BALANCE_SIGNATURE_MAX_AGE_S is {self.max_age_s:g}")


def producers_in(text: str, max_age_s: float = 0) -> Producers:
    """The producers that a JSON object names, or the file with one at this path.

    Raises ValueError with a sentence that says what is wrong and shows no secret.
    """
    if not text.lstrip().startswith("{"):
        text = _file(text)
    try:
        given = json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg} in line {error.lineno}, column {error.colno}") from None
    if not isinstance(given, dict) or not given:
        raise ValueError('must be an object like {"billing": {"secrets": ["…"], "jobs": ["wallets.top_up"]}}')
    by_name = {name: _producer(name, value) for name, value in given.items()}
    owners: dict[str, str] = {}
    for name, producer in by_name.items():
        for secret in producer.secrets:
            if owners.setdefault(secret, name) != name:
                raise ValueError(f"{name} and {owners[secret]} have the same secret: either could sign as the other")
    return Producers(by_name, max_age_s)


def _file(path: str) -> str:
    try:
        return Path(path.strip()).read_text(encoding="utf-8")
    except OSError as error:
        # The text is not repeated: it may be JSON that lost its brace, secrets included.
        raise ValueError(f"is neither a JSON object nor a file that can be read ({error.strerror})") from None
    except ValueError:
        raise ValueError("is neither a JSON object nor a file of UTF-8 text") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"names {twice} twice")
    return dict(pairs)


def _producer(name: str, value: Any) -> Producer:
    if not isinstance(value, dict) or not {"secrets", "jobs"} <= set(value) <= {"secrets", "jobs", "reverses"}:
        raise ValueError(f'{name}: must be an object with "secrets" and "jobs", perhaps "reverses", and nothing else')
    return Producer(
        _secrets(name, value["secrets"]), _jobs(name, value["jobs"]), _reverses(name, value.get("reverses", []))
    )


def _secrets(name: str, secrets: Any) -> tuple[str, ...]:
    if not isinstance(secrets, list) or not all(isinstance(each, str) for each in secrets):
        raise ValueError(f"{name}: secrets must be a list of texts")
    if not 1 <= len(secrets) <= _SECRETS_MAX:
        raise ValueError(f"{name}: has {len(secrets)} secrets; allowed are 1, or 2 while one takes the other's place")
    if short := [len(secret) for secret in secrets if len(secret) < SECRET_LENGTH_MIN]:
        raise ValueError(
            f"{name}: a secret has {short[0]} characters, at least {SECRET_LENGTH_MIN} are needed; "
            "make one with: openssl rand -hex 32"
        )
    return tuple(secrets)


def _jobs(name: str, jobs: Any) -> frozenset[str]:
    if not isinstance(jobs, list) or not jobs:
        raise ValueError(f'{name}: jobs must be a list of job names, or ["{_ALL}"] for all')
    if jobs == [_ALL]:
        return frozenset(CATALOGUE)
    if strange := [str(job) for job in jobs if not isinstance(job, str) or job not in CATALOGUE]:
        raise ValueError(f"{name}: there is no job {strange[0]!r}; there are {', '.join(CATALOGUE)}")
    return frozenset(jobs)


def _reverses(name: str, owners: Any) -> frozenset[str]:
    if not isinstance(owners, list) or not all(isinstance(each, str) and each for each in owners):
        raise ValueError(f'{name}: reverses must be a list of producers whose jobs it may reverse, or ["{_ALL}"]')
    return frozenset(owners)
