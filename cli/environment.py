"""Settings from the environment, for commands; what is missing is named in one line each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cli.endings import MISUSED, give_up

if TYPE_CHECKING:
    from pydantic import ValidationError

    from ordersaga.config import Settings

DATABASE_URL = "ORDERSAGA_DATABASE_URL"
MIGRATION_DATABASE_URL = "ORDERSAGA_MIGRATION_DATABASE_URL"


def settings() -> Settings:
    """Ends the command when one is missing or wrong."""
    from pydantic import ValidationError

    from ordersaga.config import Settings

    try:
        return Settings.from_env(os.environ)
    except ValidationError as error:
        give_up("\nordersaga: ".join(faults_of(error)), code=MISUSED)


def careful_settings() -> Settings:
    """The same, for a program that serves: careless ones end it in production."""
    from adapters.production import Careless, refuse_carelessness

    found = settings()
    try:
        refuse_carelessness(found, os.environ)
    except Careless as error:
        give_up(str(error).replace("\n", "\nordersaga: "), code=MISUSED)
    return found


def faults_of(error: ValidationError) -> list[str]:
    """What is wrong with settings, one line each, by the name a person set them by."""
    from ordersaga.config import ENV_PREFIX

    return [
        f"{ENV_PREFIX}{str(fault['loc'][0]).upper()}: {_in_words(fault['type'], fault['msg'])}"
        for fault in error.errors(include_url=False)
    ]


def migration_database_url() -> str:
    """As the role that owns the tables."""
    url = os.environ.get(MIGRATION_DATABASE_URL) or os.environ.get(DATABASE_URL)
    if not url:
        give_up(f"{MIGRATION_DATABASE_URL} (or {DATABASE_URL}): is not set", code=MISUSED)
    return url


def database_url(data_dir: Path) -> str:
    """Of the environment; else of the local stack that runs on `data_dir`."""
    url = os.environ.get(DATABASE_URL)
    if url:
        return url
    from cli.stack import find_running

    running = find_running(data_dir)
    if running is None:
        give_up(f"{DATABASE_URL}: is not set, and no stack runs on {data_dir}", code=MISUSED)
    return running.database


def _in_words(kind: str, message: str) -> str:
    return "is not set" if kind == "missing" else message
