"""How the application is served: by uvicorn, with what every process that serves it has in common."""

from __future__ import annotations

import os
from typing import Any, Final

from api.aborting import AbortableProtocol

HOST_VARIABLE: Final = "ORDERSAGA_API_HOST"
PORT_VARIABLE: Final = "ORDERSAGA_API_PORT"
DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8000

STOP_PATIENCE_S: Final = 5  # requests still waiting for a decision are cut off then; none is lost
KEEP_ALIVE_S: Final = 30  # between requests of one connection


def options() -> dict[str, Any]:
    """Of uvicorn; where it listens, by the environment."""
    return {
        "host": os.environ.get(HOST_VARIABLE, DEFAULT_HOST),
        "port": int(os.environ.get(PORT_VARIABLE, DEFAULT_PORT)),
        "loop": "uvloop",
        "http": AbortableProtocol,
        "ws": "none",
        "access_log": False,
        "server_header": False,
        "log_config": None,  # its words come the way of ours
        "timeout_keep_alive": KEEP_ALIVE_S,
        "timeout_graceful_shutdown": STOP_PATIENCE_S,
    }
