"""Log lines on stderr, for people or as JSON: ours and those of Celery, kombu and SQLAlchemy in one shape."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import Processor

from worker.encoding.urls import mask_url
from worker.encoding.visible import visible
from worker.observability.log.floods import LimitedHandler

_SECRET_KEYS = frozenset({"password", "passwd", "requirepass", "authorization", "secret", "token"})
_OF_LINES = frozenset({"exception", "stack"})
# Their information is about themselves; ours is about money.
_QUIET = (
    "sqlalchemy", "kombu", "amqp", "tornado.access", "alembic.runtime.plugins", "httpx", "stripe",
    # Said with each attempt to work with a broker, also with those that fail.
    "celery.worker.consumer.connection", "celery.worker.consumer.tasks", "celery.worker.consumer.mingle",
)  # fmt: skip
_TOLD_TWICE = ("psycopg",)  # its warnings are of a connection that is lost, which it raises as well

_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
    structlog.processors.UnicodeDecoder(),
)


def configure_logging(
    level: Literal["debug", "info", "warning", "error"] = "info",
    log_format: Literal["console", "json"] = "console",
    stream: TextIO | None = None,
) -> None:
    """Send all logging, structlog's and the standard library's, to `stream` (stderr) in one format.

    May be called again; the last call counts. Passwords in URLs, and values under names such as `password`, are masked
    in the text, in every value and in tracebacks. Connect it to Celery's `setup_logging` signal, or Celery will put
    handlers of its own beside it.
    """
    target = sys.stderr if stream is None else stream
    rendering: list[Any]
    if log_format == "json":
        # Not ASCII only: descriptions in Russian and Arabic stay readable and searchable.
        rendering = [structlog.processors.JSONRenderer(ensure_ascii=False, default=str), _one_line]
    else:
        console = structlog.dev.ConsoleRenderer(
            colors=target.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        rendering = [_show_values, console]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _mask_names, *rendering, _mask_text],
    )
    handler = LimitedHandler(target)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in root.handlers[:]:
        if isinstance(old.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.DEBUG if level == "debug" else max(logging.WARNING, root.level))
    for name in _TOLD_TWICE:
        logging.getLogger(name).setLevel(logging.DEBUG if level == "debug" else logging.ERROR)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _mask_names(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key in event.keys() & _SECRET_KEYS:
        event[key] = "***"
    return event


def _show_values(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Whoever names a task could otherwise write lines of ours. Those of a traceback do not begin where ours do."""
    for key, value in event.items():
        if key in _OF_LINES:
            event[key] = "  " + visible(str(value), keep="\n\t").replace("\n", "\n  ")
        elif value is not None and not isinstance(value, (bool, int, float)):
            event[key] = visible(str(value))
    return event


def _one_line(_logger: Any, _method: str, rendered: Any) -> Any:
    return visible(rendered) if isinstance(rendered, str) else rendered


def _mask_text(_logger: Any, _method: str, rendered: Any) -> Any:
    return mask_url(rendered) if isinstance(rendered, str) else rendered
