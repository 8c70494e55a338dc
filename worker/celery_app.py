"""The kind of Celery app that this program is: it carries what its process holds."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from celery import Celery

from worker.encoding.urls import mask_url
from worker.runtime import Runtime
from worker.settings.settings import SettingsError, load_settings


class App(Celery):
    """Celery, configured by BALANCE_* alone; its workers have our program."""

    @cached_property
    def runtime(self) -> Runtime:
        """Of this process. Made when first used: importing the app reads no environment.

        Ends the process in sentences when a setting is wrong: Celery would end it in a traceback.
        """
        try:
            return Runtime(load_settings())
        except SettingsError as error:
            sys.stderr.writelines(f"balance-worker: {line}\n" for line in str(error).splitlines())
            sys.exit(2)

    @cached_property
    def Worker(self) -> Any:  # noqa: N802 - Celery's name
        return self.subclass_with_self("worker.control.worker_program:Worker")  # type: ignore[arg-type]  # a name will do

    def config_from_cmdline(self, argv: Sequence[str], namespace: str = "celery") -> None:
        given = mask_url(" ".join(argv))
        raise ValueError(f"{given}: settings of Celery are not taken from here; docs/settings.md has ours")
