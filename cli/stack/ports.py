"""Which port each part listens on: last time's, else its usual one, else a free one."""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping

HOST = "127.0.0.1"  # nothing here is for the network

USUAL_PORTS: Mapping[str, int] = {
    "api": 8000,
    "temporal": 7233,
    "temporal_ui": 8233,
    "temporal_http": 7243,
    "postgres": 5433,
    "provider": 12111,
    "carrier": 12112,
}

# Below where systems take the ports of outgoing connections from (Linux: 32768), so that none of
# these is lost between two starts of a part.
FREE_PORTS = range(15_000, 32_000)


def choose_ports(
    *, last_time: Mapping[str, int], api_port: int | None = None, usual: bool = True
) -> dict[str, int]:
    """A port for each part, all different, all free now; the API's is `api_port` if it is free.

    `usual=False` leaves the usual ones alone, so that stacks side by side cannot meet.
    """
    chosen: dict[str, int] = {}
    for part, usual_port in USUAL_PORTS.items():
        asked = api_port if part == "api" else None
        wishes = [asked, last_time.get(part), usual_port if usual else None]
        taken = set(chosen.values())
        free = (port for port in wishes if port and port not in taken and is_free(port))
        chosen[part] = next(free, None) or _any_free(taken)
    return chosen


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do: connections of the last run that still fade away do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _any_free(taken: set[int]) -> int:
    while True:
        port = random.choice(FREE_PORTS)  # noqa: S311 - not a secret
        if port not in taken and is_free(port):
            return port
