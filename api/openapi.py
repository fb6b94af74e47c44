"""What OpenAPI says of each route, beside what FastAPI finds out by itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, TypedDict

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api import endpoint_models, models, paths, problems, views
from api.examples import SHOWN
from api.examples.endpoints import ENDPOINT_ID as ENDPOINT_EXAMPLE
from api.examples.orders import ORDER_ID as ORDER_EXAMPLE
from api.examples.orders import RETURN_ID as RETURN_EXAMPLE
from api.examples.problems import PROBLEMS
from api.ids import ENDPOINT_ID, EVENT_ID, ORDER_ID, RETURN_ID
from api.links import LINKS, add_links
from ordersaga.messages import PaymentMessage, TrackingMessage

SCHEMA_PATH: Final = "#/components/schemas/"
EXAMPLES_PATH: Final = "#/components/examples/"
RESPONSES_PATH: Final = "#/components/responses/"
PROBLEM: Final = "problem"
SECURITY_SCHEME: Final = "api_key"
JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
EVENT_STREAM: Final = "text/event-stream"

# Routes say themselves what is wrong with a header; FastAPI would call it a 422 of its own kind.
NEEDED_HEADERS: Final = {
    "Idempotency-Key": {
        "type": "string",
        "pattern": r"^[\x21-\x7e]{1,255}$",
        "examples": ["2f1c9a0e-5b7d-4a33-9a35-0d6f7e6b6c11"],
    },
    "webhook-id": {"type": "string", "minLength": 1, "examples": ["msg_01"]},
    "webhook-timestamp": {"type": "string", "pattern": "^[0-9]+$", "examples": ["1772359200"]},
    "webhook-signature": {"type": "string", "minLength": 1},
    "Stripe-Signature": {"type": "string", "minLength": 1},
}
_ID: Final = {"minLength": 1, "maxLength": models.MAX_ID, "pattern": models.ID_PATTERN}
PATH_IDS: Final = {
    "order_id": {"pattern": f"^{ORDER_ID.pattern}$", "examples": [ORDER_EXAMPLE]},
    "return_id": {"pattern": f"^{RETURN_ID.pattern}$", "examples": [RETURN_EXAMPLE]},
    "endpoint_id": {"pattern": f"^{ENDPOINT_ID.pattern}$", "examples": [ENDPOINT_EXAMPLE]},
    "event_id": {"pattern": f"^{EVENT_ID.pattern}$", "examples": [f"{ORDER_EXAMPLE}:5"]},
    "sku": {**_ID, "examples": ["mug-blue"]},
    "customer_id": {**_ID, "examples": ["c-1"]},
}
IF_MATCH: Final = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "examples": ['"7-0f3c2a91"', '"7"']},
    "description": "an order's `ETag`, or its version in quotes: the move is refused (412) where the "
    "order has changed since. Several, with commas between; `*`: however it is.",
}
IF_NONE_MATCH: Final = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "examples": ['"7-0f3c2a91"']},
    "description": "an order's `ETag`: 304 without a body where the answer would be the same.",
}
_HEADERS: Final = {
    "ETag": "the order's version and a hash of what is shown, for `If-Match` and `If-None-Match`",
    "Location": "where the order is",
    "Preference-Applied": "what of `Prefer` was done",
    "Idempotency-Replayed": "`true`: an equal request was answered before, and nothing happened again",
    "Retry-After": "seconds",
    "WWW-Authenticate": "what is to be sent",
}

BODIES: Final = (
    models.OrderBody,
    models.CancelBody,
    models.PayBody,
    models.AttentionBody,
    models.HoldBody,
    models.ReleaseBody,
    models.AcceptBody,
    models.DeclineBody,
    models.ShipBody,
    models.ReceiptBody,
    models.ReviewBody,
    models.ReturnBody,
    models.ReturnMoveBody,
    models.RefundBody,
    models.StockBody,
    models.StockItemsBody,
    models.CreditBody,
    models.VoucherBody,
    endpoint_models.EndpointBody,
    endpoint_models.RotationBody,
    endpoint_models.ReplayBody,
    PaymentMessage,
    TrackingMessage,
)

_GUARDED: Final = ("unauthorized", "forbidden", "rate_limited", "unavailable")
_WITH_BODY: Final = (
    "malformed_request",
    "request_timeout",
    "body_too_large",
    "unsupported_encoding",
    "invalid_request",
    "card_number",
)
_SIGNED: Final = ("bad_signature", "not_found", "unavailable")
_MOVE: Final = ("not_found", "illegal_move", "version_mismatch")
_WITH_KEY: Final = (
    "idempotency_key_missing",
    "idempotency_key_invalid",
    "request_in_flight",
    "idempotency_mismatch",
    "card_number",
)


paths.register()


def make_router(tag: str, *, prefix: str = "/v1") -> APIRouter:
    """Routes of one resource; OpenAPI names each by its function."""
    return APIRouter(
        prefix=prefix, tags=[tag], generate_unique_id_function=lambda route: route.name
    )


class Operation(TypedDict):
    """Arguments of FastAPI's route decorators."""

    responses: dict[int | str, dict[str, Any]]
    openapi_extra: dict[str, Any]


class Answer(NamedTuple):
    """A good answer: its model, which of its examples show it, and headers of its own."""

    model: type[BaseModel]
    examples: tuple[str, ...] = ()  # none: all of them
    headers: tuple[str, ...] = ()


def order(*examples: str, headers: tuple[str, ...] = ()) -> Answer:
    """The order is answered, as in these examples."""
    return Answer(views.OrderView, examples, ("ETag", *headers))


def operation(
    answers: Mapping[int, type[BaseModel] | Answer],
    *,
    scope: str | tuple[str, ...] | None = None,
    body: type[BaseModel] | None = None,
    body_needed: bool = True,
    foreign_body: str = "",
    has_key: bool = False,
    is_conditional: bool = False,
    is_move: bool = False,
    is_signed: bool = False,
    is_stream: bool = False,
    live: str = "",
    refusals: Sequence[str] = (),
) -> Operation:
    """`answers` by status; `refusals`: problems besides those of every route of its sort.

    `scope`: of several, any will do. `foreign_body`: whose JSON is taken, where others define it.
    `is_conditional`: it has an ETag. `is_move`: of an order that is there.
    `is_stream`: a line for each of what is answered. `live`: server-sent events like these.
    """
    listed = (
        *(_GUARDED if scope else ()),
        *(_WITH_BODY if body or foreign_body else ()),
        *(_SIGNED if is_signed else ()),
        *(_WITH_KEY if has_key else ()),
        *(_MOVE if is_move else ()),
        *refusals,
    )
    codes = list(dict.fromkeys(listed))
    extra: dict[str, Any] = {}
    if scope is not None:
        scopes = (scope,) if isinstance(scope, str) else scope
        extra["security"] = [{SECURITY_SCHEME: [one]} for one in scopes]
    if is_move or is_conditional:
        extra["parameters"] = [IF_MATCH if is_move else IF_NONE_MATCH]
    if body is not None or foreign_body:
        content = (
            {"schema": {"type": "object", "description": foreign_body}}
            if body is None
            else {"schema": _ref(body), "examples": _examples(body)}
        )
        extra["requestBody"] = {"required": body_needed, "content": {JSON: content}}
    replayed = ("Idempotency-Replayed",) if has_key else ()
    describe_answer = _describe_stream if is_stream else _describe_answer
    return Operation(
        responses={
            **{
                status: describe_answer(
                    answer if isinstance(answer, Answer) else Answer(answer), replayed
                )
                for status, answer in answers.items()
            },
            **({200: _describe_live(live)} if live else {}),
            **({304: UNCHANGED} if is_conditional else {}),
            **_problem_responses(codes),
        },
        openapi_extra=extra,
    )


def describe(app: FastAPI) -> dict[str, Any]:
    """The whole document, made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
            routes=app.routes,
        )
        _, bodies = models_json_schema(
            [(model, "validation") for model in (*BODIES, views.ProblemView)],
            ref_template=SCHEMA_PATH + "{model}",
        )
        components = document.setdefault("components", {})
        # Money is in both; what FastAPI found for answers is the same.
        components["schemas"] = {**bodies["$defs"], **components.get("schemas", {})}
        components["examples"] = _all_examples()
        components["links"] = LINKS
        components["securitySchemes"] = {
            SECURITY_SCHEME: {
                "type": "http",
                "scheme": "bearer",
                "description": "`ordersaga keys create --tenant T --scope S` prints one.",
            }
        }
        for operations in document["paths"].values():
            for described in operations.values():
                _correct(described)
                _share_problems(described["responses"], components.setdefault("responses", {}))
                add_links(described["operationId"], described["responses"])
        for unused in ("HTTPValidationError", "ValidationError"):
            components["schemas"].pop(unused, None)
        app.openapi_schema = document
    return app.openapi_schema


def to_text(document: Mapping[str, Any]) -> str:
    """As it is kept in docs/openapi.json."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _correct(described: dict[str, Any]) -> None:
    """What FastAPI adds by itself: its own kind of 422, and that null could be sent in a header."""
    if JSON in described["responses"].get("422", {}).get("content", {}):
        del described["responses"]["422"]
    for parameter in described.get("parameters", ()):
        name, schema = parameter["name"], parameter["schema"]
        one, *null = schema.pop("anyOf", [{}])
        assert null in ([], [{"type": "null"}]), name
        schema.update(one)
        schema.pop("description", None)  # the parameter has it
        if name in NEEDED_HEADERS:
            parameter["required"] = True
            schema.update(NEEDED_HEADERS[name])
        elif parameter["in"] == "path":
            schema.update(PATH_IDS.get(name, {}))


def _share_problems(responses: dict[str, Any], shared: dict[str, Any]) -> None:
    """Most operations have the same ones: each is described once, by its codes."""
    for status, response in responses.items():
        content = response.get("content", {}).get(problems.MEDIA_TYPE)
        if content is not None:
            name = ".".join([status, *content["examples"]])
            shared[name] = response
            responses[status] = {"$ref": RESPONSES_PATH + name}


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": SCHEMA_PATH + model.__name__}


def _examples(model: type[BaseModel], names: Sequence[str] = ()) -> dict[str, Any]:
    return {
        name: {"$ref": f"{EXAMPLES_PATH}{model.__name__}.{name}"} for name in names or SHOWN[model]
    }


def _all_examples() -> dict[str, Any]:
    """Each once: FastAPI itself would take their nulls away."""
    shown: dict[str, Any] = {
        f"{model.__name__}.{name}": {"value": value}
        for model, examples in SHOWN.items()
        for name, value in examples.items()
    }
    for kind in problems.KINDS.values():
        value = {
            **problems.render(problems.Problem(kind.code, kind.title)),
            **PROBLEMS.get(kind.code, {}),
        }
        shown[f"{PROBLEM}.{kind.code}"] = {"summary": kind.title, "value": value}
    return shown


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"description": _HEADERS[name], "schema": {"type": "string"}} for name in names}


UNCHANGED: Final[dict[str, Any]] = {
    "description": "as you know it: `If-None-Match` has its ETag",
    "headers": _headers("ETag"),
}


def _describe_answer(answer: Answer, headers: tuple[str, ...]) -> dict[str, Any]:
    content = {JSON: {"examples": _examples(answer.model, answer.examples)}}
    described: dict[str, Any] = {"model": answer.model, "content": content}
    if answer.model.__doc__:
        described["description"] = answer.model.__doc__
    names = (*answer.headers, *headers)
    return {**described, "headers": _headers(*names)} if names else described


def _describe_stream(answer: Answer, _: tuple[str, ...]) -> dict[str, Any]:
    shown = SHOWN[answer.model]
    lines = "".join(json.dumps(shown[name], ensure_ascii=False) + "\n" for name in answer.examples)
    name = answer.model.__name__
    schema = {"type": "string", "description": f"a line of JSON for each: `{name}`"}
    content = {NDJSON: {"schema": schema, "examples": {"lines": {"value": lines}}}}
    return {"description": "one after the other, as many as there are", "content": content}


def _describe_live(example: str) -> dict[str, Any]:
    schema = {
        "type": "string",
        "description": "server-sent events; `data` is a CloudEvent, as JSON",
    }
    content = {EVENT_STREAM: {"schema": schema, "examples": {"events": {"value": example}}}}
    return {"description": "each event as it happens, without end", "content": content}


def _problem_responses(codes: Sequence[str]) -> dict[int | str, dict[str, Any]]:
    by_status: dict[int, list[problems.Kind]] = {}
    for code in codes:
        kind = problems.KINDS[code]
        by_status.setdefault(kind.status, []).append(kind)
    return {status: _describe_problems(status, kinds) for status, kinds in by_status.items()}


def _describe_problems(status: int, kinds: Sequence[problems.Kind]) -> dict[str, Any]:
    """Which codes it can have, each with an example."""
    told: dict[str, Any] = {
        "status": {"const": status},
        "code": {"enum": [kind.code for kind in kinds]},
        "type": {"enum": [problems.TYPE_PREFIX + kind.code for kind in kinds]},
    }
    content = {
        "schema": {"allOf": [_ref(views.ProblemView), {"properties": told}]},
        "examples": {
            kind.code: {"$ref": f"{EXAMPLES_PATH}{PROBLEM}.{kind.code}"} for kind in kinds
        },
    }
    described: dict[str, Any] = {
        "description": " · ".join(f"`{kind.code}`: {kind.title}" for kind in kinds),
        "content": {problems.MEDIA_TYPE: content},
    }
    names = ["WWW-Authenticate"] if status == 401 else []
    if status == 429 or any(kind.retry_after_s is not None for kind in kinds):
        names.append("Retry-After")
    return {**described, "headers": _headers(*names)} if names else described
