"""Who watches the messages of a process: its log, and its metrics and its traces where it has them."""

from __future__ import annotations

from worker.observability.log.message_log import MessageLog
from worker.observability.observer import Observer, Observers
from worker.runtime import Runtime


def watchers_of(runtime: Runtime, *others: Observer) -> Observers:
    """`others` come first."""
    watching: list[Observer] = [*others, MessageLog()]
    if runtime.counting is not None:
        watching.append(runtime.counting.messages)
    if runtime.tracer is not None:
        from worker.observability.traces import JobTraces

        watching.append(JobTraces(runtime.tracer))
    return Observers(*watching)
