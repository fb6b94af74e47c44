"""`python -m worker`: one worker process, configured by the environment."""

from __future__ import annotations

import os

import uvloop

from adapters.logs import configure_logs
from adapters.production import refuse_carelessness
from ordersaga.config import Settings
from worker.main import run_worker


def main() -> None:
    """Runs until it is told to stop."""
    configure_logs()
    settings = Settings.from_env(os.environ)
    refuse_carelessness(settings, os.environ)
    uvloop.run(run_worker(settings))


if __name__ == "__main__":
    main()
