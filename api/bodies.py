"""Bodies: read up to a limit, parsed strictly, checked against a model; else a problem."""

from __future__ import annotations

import asyncio
import json
from typing import Final, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request

from api.problems import FieldError, Problem, invalid, to_pointer
from api.texts import MAX_ERRORS, check_document

MAX_BODY_BYTES: Final = 1_048_576  # an order of 200 lines has 60 kB
MAX_STOCK_BODY_BYTES: Final = 2_097_152  # 10,000 items with a SKU of 64 characters have 1.1 MB
BODY_PATIENCE_S: Final = 10.0  # for all of it: a body that trickles holds a connection
MAX_LENGTH_DIGITS: Final = 15  # of a Content-Length: a petabyte

Model = TypeVar("Model", bound=BaseModel)


async def read_body(
    request: Request, *, most_bytes: int = MAX_BODY_BYTES, patience_s: float = BODY_PATIENCE_S
) -> bytes:
    """The raw body."""
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise Problem("unsupported_encoding", "send the body as it is, not compressed")
    too_large = Problem("body_too_large", f"the body is larger than {most_bytes:,} bytes")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:MAX_LENGTH_DIGITS]) > most_bytes:
        raise too_large
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(patience_s):
            async for chunk in request.stream():
                size += len(chunk)
                if size > most_bytes:
                    raise too_large
                chunks.append(chunk)
    except TimeoutError:
        detail = f"the body did not arrive within {patience_s:g} s"
        raise Problem("request_timeout", detail) from None
    except ClientDisconnect:
        raise Problem("malformed_request", "the body ended early") from None
    return b"".join(chunks)


def parse_body(model: type[Model], raw: bytes) -> Model:
    """The body as `model`: 400 where it is not JSON, 422 where it is not what is asked for."""
    text = _decode(raw)
    document = _parse_json(text)
    check_document(document, text)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise invalid(*field_errors(error)[:MAX_ERRORS]) from None


def field_errors(error: ValidationError) -> list[FieldError]:
    """Where and why, never what: a value may be a token or a person's name."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    inside = {fault["loc"][:depth] for fault in faults for depth in range(len(fault["loc"]))}
    return [
        FieldError(to_pointer(fault["loc"]), _in_words(fault["type"], fault["msg"]))
        for fault in faults
        # pydantic does not count wrong items, and then finds too few
        if not (fault["type"] == "too_short" and fault["loc"] in inside)
    ]


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Problem("malformed_request", "the body is not UTF-8") from None


def _parse_json(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        detail = f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise Problem("malformed_request", detail) from None
    except RecursionError:
        raise Problem("malformed_request", "the body is nested too deeply") from None
    except ValueError:  # an integer of more digits than Python converts
        raise Problem("malformed_request", "the body has a number that is too long") from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Problem("malformed_request", "the body has an object with one name twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise Problem("malformed_request", f"the body is not JSON: {name} is not a number")


def _in_words(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "is not a field we know"
    if kind == "missing":
        return "is needed"
    message = message.removeprefix("Value error, ")
    return message[:1].lower() + message[1:]
