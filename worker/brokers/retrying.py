"""How often something is sent whose loss does no harm."""

from __future__ import annotations

from typing import Final

ONCE_MORE: Final = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
"""A retry policy for kombu, for what is sent out of the event loop. Its own is to try for ever: with the broker gone,
or the link to it half-open, the worker would do nothing else, and could not even be stopped."""
