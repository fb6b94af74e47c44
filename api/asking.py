"""How every move is made: its request is read, stored once for its key, told to its workflow, answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from adapters.postgres.api_keys import ApiKey
from adapters.postgres.changes import Watch
from adapters.postgres.idempotency import Claim, claim_key, hash_body
from adapters.postgres.moves import VersionMismatch, lock_version
from adapters.postgres.orders import StoredOrder
from adapters.postgres.pool import Connection, reading, transaction
from adapters.postgres.requests import Terms, mark_delivered, read_terms
from api.bodies import parse_body, read_body
from api.etags import expected_versions
from api.problems import Problem
from api.rendering import order_path, order_response
from api.services import Services, services_of
from api.waiting import (
    Patience,
    find_order,
    is_settled,
    no_such_order,
    order_id_of,
    wait_until_settled,
)
from ordersaga import keys
from ordersaga.errors import EngineUnavailable
from ordersaga.order import OrderRequest, RequestKind

log = structlog.get_logger(__name__)

Body = TypeVar("Body", bound=BaseModel)
Made = TypeVar("Made")


@dataclass(frozen=True, kw_only=True)
class Ask(Generic[Body]):
    """Who asks what of which order, under which key. `move`: the last words of its path."""

    services: Services
    tenant: str
    by: str
    order_id: str
    move: str
    key: str
    raw: bytes
    body: Body
    terms: Terms
    expected_versions: frozenset[int] | None = None  # the caller's `If-Match`; None: any
    beside: Callable[[Connection], Awaitable[object]] | None = (
        None  # written in its transaction, too
    )

    @property
    def return_window_s(self) -> int:
        return self.services.settings.return_window_s

    def request(self, kind: RequestKind) -> OrderRequest:
        """What the order's workflow is to be told of it."""
        return OrderRequest(id=keys.new_id("req"), kind=kind, requested_by=self.by)


async def read_ask(
    request: Request,
    caller: ApiKey,
    *,
    key: str,
    order_id: str,
    move: str,
    model: type[Body],
    body_needed: bool = True,
) -> Ask[Body]:
    """What a request asks; a problem where it cannot be read, or its order is not this tenant's."""
    services = services_of(request)
    raw = await read_body(request)
    return Ask(
        services=services,
        tenant=caller.tenant,
        by=caller.id,
        order_id=order_id,
        move=move,
        key=key,
        raw=raw,
        body=parse_body(model, raw if body_needed else raw or b"{}"),
        terms=await find_terms(services, tenant=caller.tenant, order_id=order_id),
        expected_versions=expected_versions(request.headers.getlist("if-match")),
    )


async def find_terms(services: Services, *, tenant: str, order_id: str) -> Terms:
    """A 404 where this tenant has no such order."""
    async with reading(services.pool) as connection:
        terms = await read_terms(connection, tenant=tenant, order_id=order_id_of(order_id))
    if terms is None:
        raise no_such_order()
    return terms


@dataclass(frozen=True)
class Once(Generic[Made]):
    """What came of a request: what it `made` now, or the name of what an equal one made `earlier`."""

    made: Made | None
    earlier: str | None

    @property
    def is_replay(self) -> bool:
        return self.earlier is not None


async def store_once(
    ask: Ask[Body], resource: str, store: Callable[[Connection], Awaitable[Made]]
) -> Once[Made]:
    """Runs `store` in the transaction of its key, unless an equal request came before.

    Raises a 412 where the order is not of a version that the caller expects.
    """
    claim = Claim(
        tenant=ask.tenant,
        route=f"POST /v1/orders/{{id}}/{ask.move} {ask.order_id}",
        key=ask.key,
        body_hash=hash_body(ask.raw),
        resource=resource,
    )
    async with transaction(ask.services.pool) as connection:
        earlier = await claim_key(connection, claim)
        if earlier is not None:
            return Once(None, earlier)
        if ask.expected_versions is not None:
            await _check_version(connection, ask.order_id, ask.expected_versions)
        made = await store(connection)
        if ask.beside is not None:
            await ask.beside(connection)
        return Once(made, None)


async def _check_version(connection: Connection, order_id: str, expected: frozenset[int]) -> None:
    """Under the lock that the move itself takes next: nobody comes in between."""
    try:
        await lock_version(connection, order_id, expected)
    except VersionMismatch as error:
        detail = f"its version is {error.version} by now: read it again"
        raise Problem("version_mismatch", detail) from None


async def tell(ask: Ask[Body], request: OrderRequest, *, workflow_id: str | None = None) -> None:
    """Tells a workflow, by default its order's. A request stands whether this works or not: a sweep
    delivers it again."""
    at = workflow_id or keys.workflow_id(ask.order_id)
    try:
        delivered = await ask.services.workflows.deliver(at, request)
    except EngineUnavailable as error:
        log.warning("request.not_delivered", request_id=request.id, error=str(error))
        return
    if delivered == "no_workflow":
        log.warning("request.not_delivered", request_id=request.id, error="no workflow")
    else:
        async with transaction(ask.services.pool) as connection:
            await mark_delivered(connection, request.id)


async def try_to_tell(call: Awaitable[object], *, about: str) -> None:
    """A call to the engine for what is stored: a sweep makes it again where it does not answer."""
    try:
        await call
    except EngineUnavailable as error:
        log.warning("move.not_told", about=about, error=str(error))


def answer_with(
    ask: Ask[Body], order: StoredOrder, *, is_replay: bool, status: int = 200
) -> Response:
    """The order as it is now. Whoever makes a move may open its buyer's page."""
    headers = {"Location": order_path(order.id)} if status == 201 else {}
    if is_replay:
        headers["Idempotency-Replayed"] = "true"
    return order_response(order, ask.services, has_page=True, status=status, headers=headers)


async def answer_when_settled(
    ask: Ask[Body], watch: Watch, patience: Patience, *, is_replay: bool
) -> Response:
    """Of what lets an undecided order go on. 200: it is decided, or waits for somebody outside; else 202."""
    order = await find_order(ask.services, tenant=ask.tenant, order_id=ask.order_id)
    if not is_settled(order):
        order = await wait_until_settled(
            ask.services, watch, patience, tenant=ask.tenant, order_id=ask.order_id, stops=True
        )
    return answer_with(ask, order, is_replay=is_replay, status=200 if is_settled(order) else 202)


async def answer_now(ask: Ask[Body], *, is_replay: bool, status: int = 200) -> Response:
    """Of what is done when it is stored."""
    order = await find_order(ask.services, tenant=ask.tenant, order_id=ask.order_id)
    return answer_with(ask, order, is_replay=is_replay, status=status)
