"""A receiver of webhooks: keeps what comes, answers what it is told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

PATIENCE_S = 8  # for a message to arrive; retries come within two


@dataclass(frozen=True)
class Received:
    """A message as it came."""

    body: bytes
    headers: Mapping[str, str]
    answered: int


class Receiver:
    """Listens on a free port of loopback while the block runs."""

    def __init__(self) -> None:
        self.status = 200
        self.received: list[Received] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.received.append(Received(body, dict(self.headers), outer.status))
                self.send_response(outer.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/webhooks"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait_for(self, count: int, *, answered: int = 200) -> list[Received]:
        """At least so many messages that were answered this; fails when they do not come."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            found = [message for message in self.received if message.answered == answered]
            if len(found) >= count:
                return found
            time.sleep(0.02)
        raise AssertionError(f"{count} messages expected, got {len(self.received)}")
