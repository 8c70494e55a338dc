"""The ways to publish that services have."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final

from celery import Celery
from kombu import Exchange, Queue

from balance_client import BalanceClient, PublishFailed
from balance_client.routing import BALANCE, queue_arguments
from tests.chaos.follow_ups import options_of
from tests.chaos.jobs import PRODUCER, Job

TIMEOUT_S: Final = 4.0


class Door(ABC):
    """A way to publish."""

    @abstractmethod
    def publish(self, job: Job) -> bool:
        """Whether the broker said that it has the job."""

    @abstractmethod
    def close(self) -> None: ...


class ClientDoor(Door):
    """Our own client, with partitions or without."""

    def __init__(self, broker_url: str, partitions: int = 0) -> None:
        self._client = BalanceClient(broker_url, PRODUCER, timeout_s=TIMEOUT_S, partitions=partitions)

    def publish(self, job: Job) -> bool:
        try:
            self._client.submit((job.name, job.arguments), want_result=job.wants_result)
        except PublishFailed:
            return False
        return True

    def close(self) -> None:
        self._client.close()


class CeleryDoor(Door):
    """Any service's Celery, with nothing of ours: on RabbitMQ with confirms."""

    def __init__(self, broker_url: str) -> None:
        amqp = broker_url.startswith("amqp")
        limits = (
            {
                "confirm_publish": True,
                "read_timeout": TIMEOUT_S,
                "write_timeout": TIMEOUT_S,
                "connect_timeout": TIMEOUT_S,
            }
            if amqp
            else {"socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S}
        )
        self._app = Celery(broker=broker_url, set_as_current=False)
        self._app.conf.broker_transport_options = limits
        arguments = queue_arguments(broker_url)
        self._app.conf.task_queues = [Queue(BALANCE, Exchange(""), routing_key=BALANCE, queue_arguments=arguments)]
        self._options: dict[str, Any] = {"mandatory": True, "confirm_timeout": TIMEOUT_S} if amqp else {}
        self._connection: Any = None
        self._producer: Any = None

    def publish(self, job: Job) -> bool:
        try:
            if self._producer is None:
                self._connection = self._app.connection_for_write()
                self._connection.ensure_connection(max_retries=1, timeout=TIMEOUT_S)
                self._producer = self._app.amqp.Producer(self._connection)
            self._app.send_task(
                job.name, kwargs=dict(job.arguments), queue=BALANCE, producer=self._producer, retry=False,
                ignore_result=not job.wants_result, **self._options,
                **(options_of(job.then, self._app) if job.then is not None else {}),
            )  # fmt: skip
        except Exception:  # noqa: BLE001 - whatever it was, nobody said that the job is there
            self.close()
            return False
        return True

    def close(self) -> None:
        if self._connection is not None:
            self._connection.collect()
        self._connection = self._producer = None
