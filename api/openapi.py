"""What OpenAPI says of each route, beside what FastAPI finds out by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypedDict

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api import models, problems, views

SCHEMA_PATH: Final = "#/components/schemas/"
SECURITY_SCHEME: Final = "api_key"

BODIES: Final = (
    models.OrderBody,
    models.CancelBody,
    models.PayBody,
    models.AttentionBody,
    models.StockBody,
    models.StockItemsBody,
    models.CreditBody,
    models.VoucherBody,
)

_GUARDED: Final = ("unauthorized", "forbidden", "unavailable")
_WITH_BODY: Final = (
    "malformed_request",
    "request_timeout",
    "body_too_large",
    "unsupported_encoding",
    "invalid_request",
)
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
    scope: str | None = None,
    body: type[BaseModel] | None = None,
    body_needed: bool = True,
    has_key: bool = False,
    refusals: Sequence[str] = (),
) -> Operation:
    """`answers` by status; `refusals`: problems besides those of every route of its sort."""
    codes = [
        *(_GUARDED if scope else ()),
        *(_WITH_BODY if body else ()),
        *(_WITH_KEY if has_key else ()),
        *refusals,
    ]
    extra: dict[str, Any] = {}
    if scope is not None:
        extra["security"] = [{SECURITY_SCHEME: [scope]}]
    if body is not None:
        schema = {"$ref": SCHEMA_PATH + body.__name__}
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
    """What FastAPI adds by itself: its own kind of 422, and that a key may be left out."""
    if "application/json" in described["responses"].get("422", {}).get("content", {}):
        del described["responses"]["422"]
    for parameter in described.get("parameters", ()):
        if parameter["name"] == "Idempotency-Key":
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
