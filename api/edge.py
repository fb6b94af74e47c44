"""The outermost layer: a log line for each request, headers for browsers, an answer when we have a bug."""

from __future__ import annotations

import time
import traceback
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import metrics, problems
from api.pages import site
from api.problems import Problem

log = structlog.get_logger(__name__)

# With every answer. An API's answers are data: nothing in them runs, is framed, sniffed or kept.
_ALWAYS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),  # only heard over TLS
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
_UNLESS_SAID: Final = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
# FastAPI's page of the API has a script in it; all that it loads is our own.
DOCS_PATHS: Final = ("/docs", "/static-offline-docs")
_DOCS: Final = (
    (
        b"content-security-policy",
        b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        b"img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
)

QUIET_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics"})  # asked every few seconds


class Edge:
    """Logs a request by its route, never its path, which may name a customer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _with_headers(send, is_docs=scope["path"].startswith(DOCS_PATHS))
        if scope["path"] in QUIET_PATHS:
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
            problem = Problem("internal_error", "this is our mistake, and noted")
            is_page = scope["path"].startswith(site.PAGE_PATHS)
            answer = site.refusal(problem) if is_page else problems.answer(problem)
            await answer(scope, receive, note_status)
        finally:
            caller = scope.get("state", {}).get("caller")
            route = getattr(scope.get("route"), "path", None)
            took_s = time.perf_counter() - began_s
            metrics.note_request(method=scope["method"], route=route, status=status, took_s=took_s)
            log.info(
                "request",
                method=scope["method"],
                route=route,
                status=status,  # None: the caller went away before there was one
                took_ms=round(took_s * 1000, 1),
                tenant=caller.tenant if caller else None,
                key_id=caller.id if caller else None,
            )


def _with_headers(send: Send, *, is_docs: bool) -> Send:
    unless_said = _DOCS if is_docs else _UNLESS_SAID

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            said = [*message.get("headers", ()), *_ALWAYS]
            names = {name for name, _ in said}
            said += [header for header in unless_said if header[0] not in names]
            message = {**message, "headers": said}
        await send(message)

    return send_with_headers


def _log_bug(error: Exception) -> None:
    """Its type and place; its message may quote what somebody sent."""
    frames = traceback.format_tb(error.__traceback__)
    log.error("request.failed", error=type(error).__name__, where="".join(frames[-3:]))
