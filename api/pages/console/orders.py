"""Orders listed: searched, filtered, by pages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Final, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from adapters.postgres.console import find_order_ids
from adapters.postgres.orders import EPOCH, FIRST_ID, LAST_ID, OrderFilter, read_orders
from adapters.postgres.pool import reading
from api.ids import ORDER_ID
from api.models import MAX_ID
from api.outlook import WaitingFor, waiting_for
from api.pages.console.session import SignedIn
from api.pages.console.shell import console_page
from api.services import services_of
from api.texts import is_storable
from ordersaga import keys
from ordersaga.lifecycle import FulfillmentStatus, PaymentStatus, Status

router = APIRouter(include_in_schema=False)

PAGE: Final = 25
CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "status": tuple(Status),
    "payment_status": tuple(PaymentStatus),
    "fulfillment_status": tuple(FulfillmentStatus),
    "waiting": get_args(WaitingFor),
}
FIELDS: Final = ("q", *CHOICES, "attention", "after", "until")

Text = Annotated[str, Query(max_length=MAX_ID)]


@router.get("/console/orders")
async def get_orders(
    request: Request,
    session: SignedIn,
    q: Text = "",
    status: Text = "",
    payment_status: Text = "",
    fulfillment_status: Text = "",
    waiting: Text = "",
    attention: Text = "",
    after: Text = "",
    until: Text = "",
    before: Text = "",
) -> Response:
    """What is no choice of ours is not chosen; a date that is none, neither."""
    chosen = {
        name: value if value in CHOICES[name] else ""
        for name, value in {
            "status": status,
            "payment_status": payment_status,
            "fulfillment_status": fulfillment_status,
            "waiting": waiting,
        }.items()
    }
    text = q.strip() if is_storable(q) else ""
    since, end = _date(after), _date(until)
    shown = OrderFilter(
        status=chosen["status"] or None,
        payment_status=chosen["payment_status"] or None,
        fulfillment_status=chosen["fulfillment_status"] or None,
        attention=True if attention else None,
        created_after=since,
    )
    begin = before if ORDER_ID.fullmatch(before) else LAST_ID
    if end is not None:
        begin = min(begin, _least_id_after_day(end))
    async with reading(services_of(request).pool) as connection:
        ids = await find_order_ids(
            connection,
            tenant=session.tenant,
            shown=shown,
            text=text or None,
            waiting_for=chosen["waiting"] or None,
            before=begin,
            limit=PAGE + 1,
        )
        orders = await read_orders(connection, tenant=session.tenant, order_ids=ids[:PAGE])
    asked = {
        "q": text,
        **chosen,
        "attention": "yes" if attention else "",
        "after": "" if since is None else since.date().isoformat(),
        "until": "" if end is None else end.date().isoformat(),
    }
    return console_page(
        session,
        "orders.html",
        here="orders",
        orders=orders,
        waiting_for=waiting_for,
        asked=asked,
        choices=CHOICES,
        is_narrowed=any(asked.values()),
        first_page=_address(asked),
        is_first=begin == LAST_ID or not ORDER_ID.fullmatch(before),
        next_page=_address({**asked, "before": ids[PAGE - 1]}) if len(ids) > PAGE else None,
    )


def _address(asked: Mapping[str, str]) -> str:
    given = {name: value for name, value in asked.items() if value}
    return f"/console/orders?{urlencode(given)}" if given else "/console/orders"


def _least_id_after_day(day: datetime) -> str:
    """No id of that day, or of one before it, is as great."""
    if day < EPOCH:
        return FIRST_ID
    if day.date() == date.max:
        return LAST_ID
    return keys.least_id("ord", day + timedelta(days=1))


def _date(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
