"""What OpenAPI says of each route, beside what FastAPI finds out by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypedDict

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api import models, problems, views
from ordersaga.messages import PaymentMessage, TrackingMessage

SCHEMA_PATH: Final = "#/components/schemas/"
SECURITY_SCHEME: Final = "api_key"
# Routes say themselves what is wrong where one is missing.
NEEDED_HEADERS: Final = frozenset(
    {
        "Idempotency-Key",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "Stripe-Signature",
    }
)

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
    PaymentMessage,
    TrackingMessage,
)

_GUARDED: Final = ("unauthorized", "forbidden", "unavailable")
_WITH_BODY: Final = (
    "malformed_request",
    "request_timeout",
    "body_too_large",
    "unsupported_encoding",
    "invalid_request",
)
_SIGNED: Final = ("bad_signature", "not_found", "unavailable")
_WITH_KEY: Final = (
    "idempotency_key_missing",
    "idempotency_key_invalid",
    "request_in_flight",
    "idempotency_mismatch",
)


def make_router(tag: str, *, prefix: str = "/v1") -> APIRouter:
    """Routes of one resource; OpenAPI names each by its function."""
    return APIRouter(
        prefix=prefix, tags=[tag], generate_unique_id_function=lambda route: route.name
    )


class Operation(TypedDict):
    """Arguments of FastAPI's route decorators."""

    responses: dict[int | str, dict[str, Any]]
    openapi_extra: dict[str, Any]


def operation(
    answers: Mapping[int, type[BaseModel]],
    *,
    scope: str | tuple[str, ...] | None = None,
    body: type[BaseModel] | None = None,
    body_needed: bool = True,
    foreign_body: str = "",
    has_key: bool = False,
    is_signed: bool = False,
    refusals: Sequence[str] = (),
) -> Operation:
    """`answers` by status; `refusals`: problems besides those of every route of its sort.

    `scope`: of several, any will do. `foreign_body`: whose JSON is taken, where others define it.
    """
    codes = [
        *(_GUARDED if scope else ()),
        *(_WITH_BODY if body or foreign_body else ()),
        *(_SIGNED if is_signed else ()),
        *(_WITH_KEY if has_key else ()),
        *refusals,
    ]
    extra: dict[str, Any] = {}
    if scope is not None:
        scopes = (scope,) if isinstance(scope, str) else scope
        extra["security"] = [{SECURITY_SCHEME: [one]} for one in scopes]
    if body is not None or foreign_body:
        schema = (
            {"type": "object", "description": foreign_body}
            if body is None
            else {"$ref": SCHEMA_PATH + body.__name__}
        )
        extra["requestBody"] = {
            "required": body_needed,
            "content": {"application/json": {"schema": schema}},
        }
    return Operation(
        responses={
            **{status: {"model": model} for status, model in answers.items()},
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
            routes=app.routes,
        )
        _, bodies = models_json_schema(
            [(model, "validation") for model in (*BODIES, views.ProblemView)],
            ref_template=SCHEMA_PATH + "{model}",
        )
        components = document.setdefault("components", {})
        # Money is in both; what FastAPI found for answers is the same.
        components["schemas"] = {**bodies["$defs"], **components.get("schemas", {})}
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
        for unused in ("HTTPValidationError", "ValidationError"):
            components["schemas"].pop(unused, None)
        app.openapi_schema = document
    return app.openapi_schema


def _correct(described: dict[str, Any]) -> None:
    """What FastAPI adds by itself: its own kind of 422, and that a header may be left out."""
    if "application/json" in described["responses"].get("422", {}).get("content", {}):
        del described["responses"]["422"]
    for parameter in described.get("parameters", ()):
        if parameter["name"] in NEEDED_HEADERS:
            parameter["required"] = True


def _problem_responses(codes: Sequence[str]) -> dict[int | str, dict[str, Any]]:
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(problems.KINDS[code].status, []).append(code)
    schema = {"$ref": SCHEMA_PATH + views.ProblemView.__name__}
    return {
        status: {
            "description": " · ".join(f"`{code}`: {problems.KINDS[code].title}" for code in found),
            "content": {problems.MEDIA_TYPE: {"schema": schema}},
        }
        for status, found in by_status.items()
    }
