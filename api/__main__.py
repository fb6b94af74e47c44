"""`python -m api`: serves the API until it is told to stop."""

from __future__ import annotations

import os

import uvicorn

from adapters.logs import configure_logs
from adapters.production import refuse_carelessness
from api.app import create_app
from api.serving import options
from ordersaga.config import Settings


def main() -> None:
    """Reads the environment; raises `pydantic.ValidationError` where a setting is missing."""
    configure_logs()
    settings = Settings.from_env(os.environ)
    refuse_carelessness(settings, os.environ)
    uvicorn.run(create_app(settings), **options())


if __name__ == "__main__":
    main()
