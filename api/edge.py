"""The outermost layer: a log line for each request, and an answer when we have a bug."""

from __future__ import annotations

import time
import traceback
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.problems import Problem

log = structlog.get_logger(__name__)

QUIET_PATHS: Final = frozenset({"/healthz", "/readyz"})  # asked every few seconds


class Edge:
    """Logs a request by its route, never its path, which may name a customer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in QUIET_PATHS:
            await self._app(scope, receive, send)
            return
        began_s = time.perf_counter()
        status: int | None = None

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        except Exception as error:
            _log_bug(error)
            if status is not None:  # too late for another answer: the connection breaks
                raise
            await problems.answer(Problem("internal_error", "this is our mistake, and noted"))(
                scope, receive, note_status
            )
        finally:
            caller = scope.get("state", {}).get("caller")
            log.info(
                "request",
                method=scope["method"],
                route=getattr(scope.get("route"), "path", None),
                status=status,  # None: the caller went away before there was one
                took_ms=round((time.perf_counter() - began_s) * 1000, 1),
                tenant=caller.tenant if caller else None,
                key_id=caller.id if caller else None,
            )


def _log_bug(error: Exception) -> None:
    """Its type and place; its message may quote what somebody sent."""
    frames = traceback.format_tb(error.__traceback__)
    log.error("request.failed", error=type(error).__name__, where="".join(frames[-3:]))
