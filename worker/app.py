"""The Celery app: `celery -A worker.app worker|beat|flower|inspect`. Importing it reads no environment."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from celery import signals
from kombu import Exchange

from balance_client.brokers.addresses import kombu_url, result_backend_url, sentinel_options, socket_options
from tasks.celery_tasks import register_jobs
from worker.brokers.queues import JobQueue, arguments_of
from worker.brokers.rabbitmq import connection as transport_amqp
from worker.brokers.redis.server import use_transport
from worker.celery_app import App
from worker.consuming.consumer import BatchStep
from worker.control.remote import register_remote_control
from worker.dead_letters.park import park_garbage
from worker.encoding.serialization import EXACT_JSON, register_exact_json
from worker.flower.guard import guard_flower
from worker.listening.step import ListeningStep
from worker.observability.log.configuring import configure_logging
from worker.observability.readiness import ReadinessStep
from worker.publishers.limits import bound_decompression
from worker.relaying.step import RelayStep
from worker.runtime import Runtime
from worker.schedule import beat_schedule, register_ticks

_CONNECT_TIMEOUT_S: Final = 5.0  # to Redis
_ANONYMOUS: Final = Exchange("", type="direct")  # straight to the queue: no binding that could be lost


def configuration(runtime: Runtime) -> dict[str, Any]:
    """Celery's configuration from our settings. docs/decisions says why for what is not obvious."""
    settings = runtime.settings
    sockets = socket_options(settings.broker_socket_timeout_s, _CONNECT_TIMEOUT_S)
    use_transport(settings.redis_transport)
    transport_amqp.use_transport()
    bound_decompression(settings.max_message_bytes)
    queues = [
        JobQueue(name, _ANONYMOUS, routing_key=name, durable=True, queue_arguments=arguments_of(name, settings))
        for name in (settings.queue, settings.tick_queue, *settings.partition_queues)
    ]
    return {
        "broker_url": kombu_url(settings.broker_url),
        "broker_use_ssl": settings.tls.options(settings.broker_url),
        "redis_backend_use_ssl": settings.tls.options(settings.result_backend),
        "broker_transport_options": _transport_options(runtime),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # a worker waits for its broker for as long as it takes
        "broker_channel_error_retry": True,  # READONLY during a failover is a reconnect
        "broker_heartbeat": 30,
        "result_backend": result_backend_url(settings.result_backend),
        "result_backend_transport_options": sentinel_options(settings.result_backend, settings.tls),
        "result_expires": settings.result_expires_s,
        "result_serializer": EXACT_JSON,
        "result_accept_content": ["json"],
        "redis_socket_timeout": sockets["socket_timeout"],
        "redis_socket_connect_timeout": sockets["socket_connect_timeout"],
        "redis_socket_keepalive": sockets["socket_keepalive"],
        "redis_backend_health_check_interval": sockets["health_check_interval"],
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_queues": queues,
        "task_default_queue": settings.queue,
        "task_default_exchange": "",
        "task_create_missing_queues": False,  # a misspelt queue would be one that nobody reads
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_acks_on_failure_or_timeout": True,  # what failed has been parked by then
        "task_track_started": False,
        "task_send_sent_event": True,
        "worker_consumer": "worker.consuming.consumer:MoneyConsumer",
        "worker_prefetch_multiplier": 1,  # of workers with a pool; a batch consumer holds a batch
        "worker_enable_prefetch_count_reduction": False,
        "worker_send_task_events": True,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_soft_shutdown_timeout": 0.0,
        "worker_enable_remote_control": True,
        "timezone": "UTC",
        "enable_utc": True,
        "beat_schedule": beat_schedule(settings),
        "beat_scheduler": "worker.beat.scheduler:BeatScheduler",
        "beat_max_loop_interval": 5,
    }


def _prepare(sender: App, **_: Any) -> None:
    """Before Celery looks at its own settings: that ours are right, and which result backends there are."""
    sender.runtime  # noqa: B018  # a wrong setting ends the process now
    sender.loader.override_backends = {"sentinel": "worker.brokers.sentinel_backend:SentinelBackend"}


def _transport_options(runtime: Runtime) -> dict[str, Any]:
    settings = runtime.settings
    kept = sorted(settings.money_queues)  # a list: `inspect stats` tells all of this as JSON
    if settings.broker_kind == "rabbitmq":
        # Without a timeout an answer that a half-open link swallows is waited for without end: a stop would never end.
        return {"confirm_publish": True, "read_timeout": settings.broker_socket_timeout_s, "kept_queues": kept}
    return {
        "kept_queues": kept,
        "on_garbage": partial(park_garbage, runtime),
        "take_limit": settings.batch_limit,
        "visibility_timeout": settings.visibility_timeout_s,
        # A living worker renews with every other search, docs/decisions/0008.
        "unacked_restore_interval": settings.visibility_timeout_s / 6,
        "unacked_restore_throttle": 1,
        "unacked_mutex_expire": max(1, settings.visibility_timeout_s // 3),  # of who was killed while it restored
        **socket_options(settings.broker_socket_timeout_s, _CONNECT_TIMEOUT_S),
        **sentinel_options(settings.broker_url, settings.tls),
    }


def _configure_logging(app: App, **_: Any) -> None:
    settings = app.runtime.settings
    configure_logging(settings.log_level, settings.log_format)


def _register_jobs(sender: App, **_: Any) -> None:
    """When the tasks are asked for, and not before: to register a task of a class reads the configuration."""
    register_jobs(sender)


def make_app() -> App:
    """The app with every job and every tick registered."""
    register_exact_json()
    made = App("balance-worker", events="worker.observability.celery_events:Events", set_as_current=True)
    made.on_configure.connect(_prepare, weak=False)
    made.add_defaults(lambda: configuration(made.runtime))
    made.on_after_finalize.connect(_register_jobs, weak=False)
    register_ticks(made)
    register_remote_control()
    guard_flower(made)
    made.steps["worker"].update((ListeningStep, RelayStep))
    made.steps["consumer"].update((BatchStep, ReadinessStep))
    signals.setup_logging.connect(partial(_configure_logging, made), weak=False)
    return made


app: Final = make_app()
