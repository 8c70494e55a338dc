"""Variables that Celery reads by itself: its processes would work elsewhere, or otherwise, than BALANCE_* says.

`celery -b`, `--result-backend`, `--config` and `--loader` arrive here too: Celery puts them into its environment.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from worker.encoding.urls import mask_url

_BROKER: Final = (
    "CELERY_BROKER_URL",
    "CELERY_BROKER_READ_URL",
    "CELERY_BROKER_WRITE_URL",
    "CELERY_BROKER",
    "BROKER_URL",
)
_RESULTS: Final = ("CELERY_RESULT_BACKEND", "RESULT_BACKEND")
_CODE: Final = ("CELERY_CONFIG_MODULE", "CELERY_CONFIG", "CONFIG_MODULE", "CELERY_LOADER", "LOADER")
_PURGE: Final = "CELERY_WORKER_PURGE"


def diversions(environment: Mapping[str, str], broker_url: str, result_backend: str) -> Iterator[str]:
    """A sentence for each that is set, unless it says what we say: `broker_url`, `result_backend`."""
    for names, setting, ours, option in (
        (_BROKER, "BALANCE_BROKER_URL", broker_url, "-b"),
        (_RESULTS, "BALANCE_RESULT_URL", result_backend, "--result-backend"),
    ):
        for name in names:
            if (value := environment.get(name)) and value != ours:
                yield (
                    f"{name} is {mask_url(value)!r}: Celery would go there, and all else where {setting} says, which "
                    f"is {mask_url(ours)!r}; unset it (or leave out celery {option})"
                )
    for name in _CODE:
        if environment.get(name):
            yield (
                f"{name} is {environment[name]!r}: Celery would read other settings than BALANCE_* from there; unset "
                "it (or leave out celery --config and --loader)"
            )
    if environment.get(_PURGE):
        yield f"{_PURGE} is set: a worker would begin with throwing accepted jobs away; unset it"
