"""uvicorn's protocol, with a way to break a connection off: closing one waits for its peer to read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_ABORT: Final = "ordersaga.abort"


class AbortableProtocol(HttpToolsProtocol):
    """Puts the way into each request's scope."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        abort: Callable[[], None] = self.transport.abort
        self.scope[_ABORT] = abort  # type: ignore[typeddict-unknown-key]  # a key of ours


def abort(scope: Scope) -> bool:
    """Breaks this request's connection off, with all that waits to be sent. False: not by this server."""
    break_off = scope.get(_ABORT)
    if break_off is not None:
        break_off()
    return break_off is not None
