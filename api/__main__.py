"""`python -m api`: serves the API until it is told to stop."""

from __future__ import annotations

import os
from typing import Final

import uvicorn

from adapters.logs import configure_logs
from adapters.production import refuse_carelessness
from api.aborting import AbortableProtocol
from api.app import create_app
from ordersaga.config import Settings

HOST_VARIABLE: Final = "ORDERSAGA_API_HOST"
PORT_VARIABLE: Final = "ORDERSAGA_API_PORT"
DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8000

STOP_PATIENCE_S: Final = 5  # requests still waiting for a decision are cut off then; none is lost
KEEP_ALIVE_S: Final = 30  # between requests of one connection


def main() -> None:
    """Reads the environment; raises `pydantic.ValidationError` where a setting is missing."""
    configure_logs()
    settings = Settings.from_env(os.environ)
    refuse_carelessness(settings, os.environ)
    uvicorn.run(
        create_app(settings),
        host=os.environ.get(HOST_VARIABLE, DEFAULT_HOST),
        port=int(os.environ.get(PORT_VARIABLE, DEFAULT_PORT)),
        loop="uvloop",
        http=AbortableProtocol,
        ws="none",
        access_log=False,
        server_header=False,
        log_config=None,  # its words come the way of ours
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_PATIENCE_S,
    )


if __name__ == "__main__":
    main()
