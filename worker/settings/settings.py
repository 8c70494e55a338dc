"""All settings. The environment is read here and nowhere else, when `load_settings` is called and not at import."""

import os
from functools import lru_cache
from typing import Self

from pydantic import ValidationError, model_validator

from balance_client.brokers.addresses import kombu_url, result_backend_url
from worker.settings.celery_environment import diversions
from worker.settings.derived import DerivedSettings
from worker.settings.rules import broken_rules
from worker.settings.texts import misspelt, sentences


class SettingsError(ValueError):
    """One or more settings are wrong; the text has one line for each: the variable, its value, what is allowed."""


class Settings(DerivedSettings):
    """Every setting with its default. Immutable."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        """Refuse values that are right one by one and wrong together."""
        if broken := broken_rules(self):
            raise ValueError("\n".join(broken))
        return self


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """Read the environment, once. Raises SettingsError: a wrong value, a misspelt name, a variable of Celery's own."""
    if typos := misspelt(os.environ, Settings.model_fields):
        raise SettingsError("\n".join(typos))
    try:
        settings = Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(sentences(error, Settings.model_fields))) from None
    if diverted := [
        *diversions(os.environ, kombu_url(settings.broker_url), result_backend_url(settings.result_backend))
    ]:
        raise SettingsError("\n".join(diverted))
    return settings
