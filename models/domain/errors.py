"""Faults: what went wrong around a job, as opposed to a refusal, which is an answer to it.

    Fault
    ├── TransientFault    the same jobs may succeed later: wait and try again, keep the message
    │   ├── KeyRace           two transactions used one new key or account at once: try again now
    │   └── DeploymentFault   nothing gets on until somebody mends it: everything is held, and said once a minute
    ├── DoubtfulFault     the job's when its neighbours pass, the deployment's when all fail alike
    ├── KeyElsewhere      the key is claimed by another shard, where its job is not settled yet
    └── WrongShard        the account is another shard's

Everything else is treated as permanent: applied singly, counted, then parked.
"""

from __future__ import annotations


class Fault(Exception):
    """Something failed around a job. `next_step` says what happens now and what the operator may do."""

    next_step = "the job is kept"


class TransientFault(Fault):
    """It passes by itself. `remedy`: what helps, where something does."""

    next_step = "the same jobs are tried again after a pause; no message is acknowledged before that"

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        if remedy:
            self.next_step = f"{remedy}; {self.next_step}"


class KeyRace(TransientFault):
    next_step = "the same jobs are tried again at once and find what the other transaction wrote"


class DeploymentFault(TransientFault):
    """Something around all jobs is not as it must be. `remedy` says what to do about it."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.next_step = f"{remedy}; all jobs are held until then, unacknowledged, and go on by themselves"


class DoubtfulFault(Fault):
    """An error that can be a job's or the deployment's: its neighbours tell."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.next_step = f"{remedy}; the job is held until its neighbours show whose fault it is"


class KeyElsewhere(Fault):
    """Permanent as far as can be told: what holds the key up there may be parked, too."""

    next_step = "the job is tried again a few times, then parked"

    def __init__(self, producer: str, key: str, shard: int) -> None:
        super().__init__(
            f"key {key!r} of {producer} was first used for an account of shard {shard}, whose job is not settled: "
            "settle that one first (it is in a queue or among the dead letters there), then replay this letter, which "
            "is then answered idempotency_conflict; or discard it and publish it under a key of its own"
        )


class WrongShard(Fault):
    """Nothing was done: jobs of others are sent on to them before they come here."""

    next_step = "the job is tried again a few times, then parked"

    def __init__(self, what: str, shard: int, here: int) -> None:
        super().__init__(f"{what} of shard {shard}, and this is shard {here}: replay this letter, and it is sent there")
