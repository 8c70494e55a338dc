"""Money jobs as Celery knows them: one task each, by the name in the catalogue of contracts.

Celery runs none of them. A worker gathers their messages and applies them in batches (worker/consuming), so a task is
no more than a name that `celery inspect` and Flower can show. What beat starts is run by Celery: worker/schedule.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery import Celery, Task

from models.contracts.catalogue import CATALOGUE

if TYPE_CHECKING:
    _Task = Task[Any, Any]
else:
    _Task = Task  # generic in its stubs alone


class MoneyTask(_Task):
    """One kind of money job. Its name is in the catalogue of contracts; its arguments are the contract's fields."""

    abstract = True
    acks_late = True
    reject_on_worker_lost = True
    typing = False  # a wrong argument is answered by the contract, not by a TypeError

    def run(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"{self.name} is applied by a worker, in batches: publish it with apply_async or send_task")


def register_jobs(app: Celery) -> None:
    """Makes every money job known to the app."""
    for name in CATALOGUE:
        app.register_task(type(f"Money_{name.replace('.', '_')}", (MoneyTask,), {"name": name})())
