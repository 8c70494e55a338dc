"""A property of histories: it is tried on many, and of one that fails the smallest one that still does is told."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.property.steps import History, Step, history
from tests.support.search import DRAWN

Property = Callable[[History], None]
"""Raises when it does not hold."""


def holds_for(count: int, holds: Property, *, policy: bool = False) -> None:
    """Raises for the first of so many histories for which the property does not hold. Without a seed they are always
    the same ones."""
    for seed in range(DRAWN.first, DRAWN.first + count):
        drawn = history(seed, policy=policy)
        error = _error(drawn, holds)
        if error is not None:
            smallest = _smallest(drawn, holds, type(error))
            error = _error(smallest, holds) or error
            steps = "".join(f"\n    {step!r}," for step in smallest.steps)
            test = os.environ["PYTEST_CURRENT_TEST"].removesuffix(" (call)")
            error.add_note(
                f"the smallest history that fails:\nHistory({smallest.floor}, ({steps}\n))\n"
                f"{DRAWN.again(test, seed, examples='1')}"
            )
            raise error


def _error(drawn: History, holds: Property) -> Exception | None:
    try:
        holds(drawn)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is raised again
        return error
    return None


def _smallest(failing: History, holds: Property, kind: type[Exception]) -> History:
    """Takes away whatever can be taken away, as long as the same kind of error comes of it."""
    while True:
        # A history that makes no sense any more fails in another way.
        smaller = next((less for less in _less(failing) if type(_error(less, holds)) is kind), None)
        if smaller is None:
            return failing
        failing = smaller


def _less(drawn: History) -> Iterator[History]:
    steps = drawn.steps
    for place in reversed(range(len(steps))):
        before, step, after = steps[:place], steps[place], steps[place + 1 :]
        yield replace(drawn, steps=before + after)
        if step.wait and after:
            yield replace(drawn, steps=(*before, replace(after[0], wait=after[0].wait + step.wait), *after[1:]))
    for place, step in enumerate(steps):
        for simpler in _simpler(step):
            yield replace(drawn, steps=(*steps[:place], simpler, *steps[place + 1 :]))


def _simpler(step: Step) -> Iterator[Step]:
    yield from (replace(step, sweeps=tuple(kept for kept in step.sweeps if kept != sweep)) for sweep in step.sweeps)
    yield from (replace(step, wait=fewer) for fewer in range(step.wait))
    yield from (replace(step, of=earlier) for earlier in range(step.of))
    if step.what == "update":
        return
    for name, value in step.fields.items():
        yield replace(step, fields={other: step.fields[other] for other in step.fields if other != name})
        if value is True:
            yield replace(step, fields={**step.fields, name: False})
        elif isinstance(value, int):
            yield from (replace(step, fields={**step.fields, name: fewer}) for fewer in range(1, value))
