"""Producers, each with its secrets and the jobs it may publish. BALANCE_PRODUCERS names them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from balance_client.publishing.links import RawMessage
from models.contracts.catalogue import CATALOGUE
from models.contracts.message import Malformed
from models.contracts.wire.envelope import DEFAULT_PRODUCER
from models.contracts.wire.signature import SECRET_LENGTH_MIN, SIGNATURE, SIGNED_AT, Genuine, Signed, sign, verified
from worker.ledger_clock import LEDGER_CLOCK
from worker.publishers.callbacks import FollowUp

_SECRETS_MAX: Final = 2  # the one in use, and the one before or after it
_ALL: Final = "*"
_OPTIONAL: Final = frozenset({"reverses", "follow_ups"})


@dataclass(frozen=True, slots=True)
class Pattern:
    """Follow-ups of such names, in shell patterns: `*` is any text."""

    task: str
    queue: str

    def covers(self, follow_up: FollowUp) -> bool:
        return fnmatchcase(follow_up.task, self.task) and fnmatchcase(follow_up.queue, self.queue)


@dataclass(frozen=True, slots=True)
class Producer:
    """One publishing service."""

    secrets: tuple[str, ...] = field(repr=False)
    jobs: frozenset[str]
    reverses: frozenset[str] = frozenset()  # whose jobs it may reverse beside its own; "*": everybody's
    follow_ups: tuple[Pattern, ...] = ()


@dataclass(frozen=True, slots=True)
class Sender:
    """What the worker does for whoever sent a message, beside settling it. `follow_ups` None: whatever it asks for."""

    answered: bool
    follow_ups: tuple[Pattern, ...] | None

    def may_send(self, follow_up: FollowUp) -> bool:
        return self.follow_ups is None or any(pattern.covers(follow_up) for pattern in self.follow_ups)


ANYBODY: Final = Sender(answered=True, follow_ups=None)  # who reaches the broker, where no producers are named
STRANGER: Final = Sender(answered=False, follow_ups=())


@dataclass(frozen=True, slots=True)
class Producers:
    """All who may publish. `max_age_s`: how old a signature may be, 0 for any age."""

    by_name: Mapping[str, Producer]
    max_age_s: float = 0

    def admit(
        self, task: str, kwargs: Mapping[str, Any], headers: Mapping[str, Any], body: bytes, reply_to: Any = None
    ) -> Sender:
        """Raises Malformed unless a producer who may publish this job has signed exactly this."""
        name = kwargs.get("producer", DEFAULT_PRODUCER)
        producer = self.by_name.get(name) if isinstance(name, str) else None
        if producer is None:
            raise Malformed("unknown_producer", f"BALANCE_PRODUCERS names no producer {str(name)[:255]!r}")
        if headers.get(SIGNATURE) is None:
            raise Malformed("unsigned", f"the message has no header {SIGNATURE}; docs/security.md says how to sign")
        genuine = _genuine(producer, task, headers, body, reply_to)
        if genuine is None:
            raise Malformed("bad_signature", f"no secret of {name} made this signature for this body, job and headers")
        if task not in producer.jobs:
            raise Malformed("not_allowed", f"{name} may not publish {task}: BALANCE_PRODUCERS gives it other jobs")
        if self.max_age_s:
            self._check_age(headers.get(SIGNED_AT))
        # Who signed no headers may have signed this for another task id: what it is answered under is not believed.
        return Sender(answered=genuine.headers, follow_ups=producer.follow_ups)

    def signed_again(self, producer: str | None, before: Mapping[str, Any], message: RawMessage) -> RawMessage:
        """The message, signed in its producer's place if that has signed it with the headers that it had before."""
        known, task = self.by_name.get(producer or ""), message.headers.get("task")
        body, reply_to = message.body, message.properties.get("reply_to")
        if known is None or not isinstance(task, str) or before.get(SIGNATURE) is None:
            return message
        signed = _signed(task, message.headers, body, reply_to)
        if signed is None or _genuine(known, task, before, body, reply_to) is None:
            return message
        return replace(message, headers={**message.headers, SIGNATURE: sign(known.secrets[0], signed)})

    def _check_age(self, signed_at: int | None) -> None:
        if signed_at is None:
            raise Malformed("stale", f"the message has no header {SIGNED_AT}; BALANCE_SIGNATURE_MAX_AGE_S asks for it")
        age_s = LEDGER_CLOCK.now().timestamp() - signed_at
        if abs(age_s) > self.max_age_s:
            raise Malformed("stale", f"signed {age_s:.0f} s ago; BALANCE_SIGNATURE_MAX_AGE_S is {self.max_age_s:g}")


def _genuine(producer: Producer, task: str, headers: Mapping[str, Any], body: bytes, reply_to: Any) -> Genuine | None:
    signature, signed = headers[SIGNATURE], _signed(task, headers, body, reply_to)
    if not isinstance(signature, str) or signed is None:
        return None
    return verified(producer.secrets, signature, signed)


def _signed(task: str, headers: Mapping[str, Any], body: bytes, reply_to: Any) -> Signed | None:
    """What a signature of this message covers; None: nobody signs such values."""
    signed_at = headers.get(SIGNED_AT)
    texts = [headers.get("id") or "", headers.get("expires") or "", reply_to or ""]
    if not (signed_at is None or type(signed_at) is int) or not all(isinstance(text, str) for text in texts):
        return None
    return Signed(task, body, signed_at, *texts)


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
    if not isinstance(value, dict) or not {"secrets", "jobs"} <= set(value) <= {"secrets", "jobs", *_OPTIONAL}:
        raise ValueError(
            f'{name}: must be an object with "secrets" and "jobs", perhaps "reverses" and "follow_ups", '
            "and nothing else"
        )
    return Producer(
        _secrets(name, value["secrets"]), _jobs(name, value["jobs"]), _reverses(name, value.get("reverses", [])),
        _follow_ups(name, value.get("follow_ups", [])),
    )  # fmt: skip


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


def _follow_ups(name: str, patterns: Any) -> tuple[Pattern, ...]:
    if not isinstance(patterns, list) or not all(_is_pattern(each) for each in patterns):
        raise ValueError(
            f'{name}: follow_ups must be a list like [{{"task": "shop.*", "queue": "shop"}}], of the tasks and queues '
            "that its callbacks and chains may send to"
        )
    return tuple(Pattern(each["task"], each["queue"]) for each in patterns)


def _is_pattern(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"task", "queue"}
        and all(isinstance(text, str) and text for text in value.values())
    )
