"""Logs of the product's programs: a JSON object a line, which names no person and tells no secret.

Libraries' warnings come the same way. What an exception says is told where it is one of ours, whose words
name codes and ids; of any other, its type and its place: it may quote what somebody sent, or a row.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Mapping
from typing import Any, Final

import structlog
from structlog.typing import EventDict, Processor

from ordersaga.errors import OrdersagaError

HIDDEN: Final = "[hidden]"
FRAMES: Final = 8  # of each exception: the innermost say where it was

# Values that go by such a name are nobody's business, whoever logs them.
_NAMES: Final = re.compile(
    r"(^|_)(password|passwd|secrets?|tokens?|authorization|cookie|signature|(api|payload|provider|carrier)_keys?"
    r"|key|dsn|url|name|emails?|phone|(shipping_)?address|city|line[12]|postal_code|customer|metadata|body|payload"
    r"|comment|reason|note|location|detail)$",
    re.IGNORECASE,
)
# What gives a secret away within a sentence: our keys' mark, Stripe's, Standard Webhooks'; and in a URL.
_SECRETS: Final = re.compile(
    r"\b(?:osk|whsec|[sr]k_(?:live|test)|carrier_test)_[\w+/=-]+|(?<=://)[^\s/@]+:[^\s/@]+(?=@)"
)


def configure_logs() -> None:
    """For the whole process, once; onto standard output."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        tell_exceptions,
        hide,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[first_line, structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def first_line(_: Any, __: str, event: EventDict) -> EventDict:
    """Of another's sentence: asyncio goes on with the exception's own words."""
    event["event"] = str(event["event"]).partition("\n")[0]
    return event


def tell_exceptions(_: Any, __: str, event: EventDict) -> EventDict:
    """`exc_info`, in place of a traceback, as types and places."""
    given = event.pop("exc_info", None)
    if given:
        error = given if isinstance(given, BaseException) else _current(given)
        if error is not None:
            event["exception"] = describe(error)
    return event


def describe(error: BaseException) -> str:
    """An exception and what led to it, innermost first, without what it quotes."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    before = f"{describe(cause)}\nthen\n" if cause is not None else ""
    where = "".join(traceback.format_tb(error.__traceback__)[-FRAMES:])
    says = f": {error}" if isinstance(error, OrdersagaError) else ""
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    parts = "".join(f"\nof it: {describe(part)}" for part in inner)
    return f"{before}{where}{type(error).__name__}{says}{parts}"


def hide(_: Any, __: str, event: EventDict) -> EventDict:
    """Values by their names, at any depth, and secrets within any text."""
    for name, value in event.items():
        event[name] = _hidden(name, value)
    return event


def _hidden(name: str, value: object) -> object:
    if _NAMES.search(name) and value is not None:
        return HIDDEN
    if isinstance(value, str):
        return _SECRETS.sub(HIDDEN, value)
    if isinstance(value, Mapping):
        return {key: _hidden(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden("", inner) for inner in value]
    return value


def _current(given: object) -> BaseException | None:
    return given[1] if isinstance(given, tuple) else sys.exc_info()[1]
