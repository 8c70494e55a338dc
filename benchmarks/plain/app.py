"""The plain worker: `celery -A benchmarks.plain.app worker -c 4`. One task, one session, one transaction.

The account's row is locked, the key is looked up under the lock, balance, entry and key are committed together, and
the message is acknowledged late: it is as correct as ours about applying a job once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from celery import Celery, signals
from kombu import Exchange, Queue
from sqlalchemy import create_engine, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from benchmarks.plain.tables import Account, Entry, ProcessedJob

BROKER_URL = os.environ["PLAIN_BROKER_URL"]
QUEUE = os.environ["PLAIN_QUEUE"]

app = Celery("plain", broker=BROKER_URL)
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_queues=[
        Queue(
            QUEUE,
            Exchange(""),
            routing_key=QUEUE,
            queue_arguments={"x-queue-type": "quorum"} if BROKER_URL.startswith("amqp") else None,
        )
    ],
    task_default_queue=QUEUE,
    broker_connection_retry_on_startup=True,
)
engine = create_engine(os.environ["PLAIN_DATABASE_URL"])
new_session = sessionmaker(engine)


@signals.worker_process_init.connect
def forget_the_parents_connections(**_: Any) -> None:
    engine.dispose(close=False)


def apply(key: str, kind: str, number: int, new_balance: Callable[[Account], int]) -> None:
    with new_session() as session, session.begin():
        account = locked_account(session, kind, number)
        if session.get(ProcessedJob, key) is not None:
            return
        amount = new_balance(account) - account.balance
        account.balance += amount
        session.add(ProcessedJob(key=key, account_id=account.id, balance_after=account.balance))
        session.flush()  # the entry refers to it
        session.add(Entry(account_id=account.id, job_key=key, amount=amount, balance_after=account.balance))


def locked_account(session: Session, kind: str, number: int) -> Account:
    return session.execute(
        select(Account).where(Account.kind == kind, Account.number == number).with_for_update()
    ).scalar_one()


@app.task(name="plain.update_balance", autoretry_for=(OperationalError,), retry_backoff=True, max_retries=5)
def update_balance(key: str, account: int, amount: int) -> None:
    apply(key, "user", account, lambda found: found.balance + amount)


@app.task(name="plain.top_up", autoretry_for=(OperationalError,), retry_backoff=True, max_retries=5)
def top_up(key: str, account: int, amount: int) -> None:
    apply(key, "wallet", account, lambda found: found.balance + amount)


@app.task(name="plain.set_balance", autoretry_for=(OperationalError,), retry_backoff=True, max_retries=5)
def set_balance(key: str, account: int, amount: int) -> None:
    apply(key, "app", account, lambda _: amount)
