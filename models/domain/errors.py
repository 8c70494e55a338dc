"""Faults: what went wrong around a job, as opposed to a refusal, which is an answer to it.

    Fault
    ├── TransientFault    the same jobs may succeed later: wait and try again, keep the message
    │   ├── KeyRace           two transactions used one new key or account at once: try again now
    │   └── DeploymentFault   nothing gets on until somebody mends it: everything is held, and said once a minute
    └── DoubtfulFault     the job's when its neighbours pass, the deployment's when all fail alike

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
