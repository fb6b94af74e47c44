"""Orders that need a person: which step, what fails, since when; and the answer to it."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from adapters.postgres.orders import LAST_ID, OrderFilter, list_order_ids, read_orders
from adapters.postgres.pool import reading
from api.ids import ORDER_ID
from api.pages.console.moves import new_key
from api.pages.console.session import SignedIn
from api.pages.console.shell import console_page
from api.services import services_of

router = APIRouter(include_in_schema=False)

PAGE: Final = 50


@router.get("/console/attention")
async def get_attention(request: Request, session: SignedIn, before: str = "") -> Response:
    """The longest calling first, of a page."""
    begin = before if ORDER_ID.fullmatch(before) else LAST_ID
    async with reading(services_of(request).pool) as connection:
        ids = await list_order_ids(
            connection,
            tenant=session.tenant,
            shown=OrderFilter(attention=True),
            before=begin,
            limit=PAGE + 1,
        )
        orders = await read_orders(connection, tenant=session.tenant, order_ids=ids[:PAGE])
    calling = [order for order in orders if order.attention is not None]
    calling.sort(key=lambda order: str((order.attention or {})["since"]))
    return console_page(
        session,
        "attention.html",
        here="attention",
        orders=calling,
        new_key=new_key,
        next_page=f"/console/attention?before={ids[PAGE - 1]}" if len(ids) > PAGE else None,
    )
