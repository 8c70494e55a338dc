"""The names that publishers and workers share. Loads nothing heavy: the producer's client imports it."""

from __future__ import annotations

from typing import Final

BALANCE: Final = "balance"
"""Money jobs: one at a time, in order."""
IO: Final = "balance.io"
"""Work that waits for others, and the scheduled scans."""
