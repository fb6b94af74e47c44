"""Stock: how many units there are of each SKU."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from adapters.postgres.api_keys import OPS, ORDERS_READ
from adapters.postgres.catalog import StockReserved, StoredStock, read_stock, set_stock
from adapters.postgres.idempotency import Claim, claim_key, hash_body
from adapters.postgres.pool import reading, transaction
from api.auth import Operator, Reader
from api.bodies import MAX_STOCK_BODY_BYTES, parse_body, read_body
from api.checks import check_id
from api.headers import IdempotencyKey
from api.models import StockBody, StockItem, StockItemsBody
from api.openapi import make_router, operation
from api.problems import FieldError, Problem, invalid
from api.rendering import json_response
from api.services import services_of
from api.texts import is_storable
from api.views import StockList, StockView

router = make_router("stock")

SET_MANY_ROUTE: Final = "POST /v1/stock"


@router.put(
    "/stock/{sku:word}",
    summary="Set the stock of a SKU",
    **operation({200: StockView}, scope=OPS, body=StockBody, refusals=["stock_reserved"]),
)
async def put_stock(request: Request, caller: Operator, sku: str) -> Response:
    """`on_hand` counts reserved units too, so it cannot be less than those."""
    services = services_of(request)
    check_id(sku, "/path/sku")
    body = parse_body(StockBody, await read_body(request))
    try:
        async with reading(services.pool) as connection:
            (stock,) = await set_stock(
                connection, tenant=caller.tenant, on_hand={sku: body.on_hand}
            )
    except StockReserved:
        raise _too_few([FieldError("/on_hand", "is less than what is reserved")]) from None
    return json_response(_render(stock))


@router.get(
    "/stock/{sku:word}",
    summary="The stock of a SKU",
    **operation({200: StockView}, scope=ORDERS_READ, refusals=["not_found"]),
)
async def get_stock(request: Request, caller: Reader, sku: str) -> Response:
    """on_hand = available + reserved, always."""
    services = services_of(request)
    found: tuple[StoredStock, ...] = ()
    if is_storable(sku):
        async with reading(services.pool) as connection:
            found = await read_stock(connection, tenant=caller.tenant, skus=[sku])
    if not found:
        raise Problem("not_found", "there is no stock of this SKU")
    return json_response(_render(found[0]))


@router.post(
    "/stock",
    summary="Set the stock of many SKUs",
    **operation(
        {200: StockList},
        scope=OPS,
        body=StockItemsBody,
        has_key=True,
        refusals=["stock_reserved"],
    ),
)
async def post_stock(request: Request, caller: Operator, key: IdempotencyKey) -> Response:
    """Up to 10,000 at once: all are set, or none is."""
    services = services_of(request)
    raw = await read_body(request, most_bytes=MAX_STOCK_BODY_BYTES)
    items = parse_body(StockItemsBody, raw).items
    on_hand = {item.sku: item.on_hand for item in items}
    if len(on_hand) < len(items):
        raise invalid(*_repeated(items))
    claim = Claim(
        tenant=caller.tenant,
        route=SET_MANY_ROUTE,
        key=key,
        body_hash=hash_body(raw),
        resource=f"{len(items)} SKUs",  # which ones, an equal body says
    )
    try:
        async with transaction(services.pool) as connection:
            is_replay = await claim_key(connection, claim) is not None
            if is_replay:
                found = await read_stock(connection, tenant=caller.tenant, skus=list(on_hand))
            else:
                found = await set_stock(connection, tenant=caller.tenant, on_hand=on_hand)
    except StockReserved as error:
        raise _too_few(_reserved(items, error.skus)) from None
    return json_response(
        {"items": [_render(stock) for stock in found]},
        headers={"Idempotency-Replayed": "true"} if is_replay else {},
    )


def _render(stock: StoredStock) -> dict[str, object]:
    return {
        "sku": stock.sku,
        "on_hand": stock.on_hand,
        "available": stock.available,
        "reserved": stock.reserved,
    }


def _repeated(items: tuple[StockItem, ...]) -> list[FieldError]:
    seen: set[str] = set()
    errors = []
    for i, item in enumerate(items):
        if item.sku in seen:
            errors.append(FieldError(f"/items/{i}/sku", "is there twice"))
        seen.add(item.sku)
    return errors


def _reserved(items: tuple[StockItem, ...], skus: tuple[str, ...]) -> list[FieldError]:
    return [
        FieldError(f"/items/{i}/on_hand", "is less than what is reserved")
        for i, item in enumerate(items)
        if item.sku in skus
    ]


def _too_few(errors: list[FieldError]) -> Problem:
    return Problem("stock_reserved", "nothing was changed", errors=errors)
