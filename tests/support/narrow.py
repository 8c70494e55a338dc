"""Walks so narrow that the ledgers of tests are many ranges, in many parts."""

from dataclasses import replace

import pytest

from models.domain.evidence.progress import ACCOUNTS, JOBS, JOURNALS
from models.store.audit import walks

JOB_BITS = 80 + 2  # a stretch of jobs is of 4 ms


def narrow(monkeypatch: pytest.MonkeyPatch, at_once: int = 2, bits: int = 1) -> None:
    """`at_once` rows a range, and stretches of 2**bits accounts and records."""
    ours = {ACCOUNTS: bits, JOURNALS: bits, JOBS: JOB_BITS}
    for step, walk in walks.WALKS.items():
        monkeypatch.setitem(walks.WALKS, step, replace(walk, at_once=at_once, bits=ours[step]))
