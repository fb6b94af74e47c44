"""`python -m worker`: one worker process, configured by the environment."""

from __future__ import annotations

import os

import uvloop

from ordersaga.config import Settings
from worker.logs import configure_logging
from worker.main import run_worker


def main() -> None:
    """Runs until it is told to stop."""
    configure_logging()
    uvloop.run(run_worker(Settings.from_env(os.environ)))


if __name__ == "__main__":
    main()
