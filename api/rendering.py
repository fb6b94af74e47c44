"""An order as the API shows it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import orjson
from pydantic import JsonValue
from starlette.responses import Response

from adapters.mail.figures import LANGUAGES
from adapters.postgres.api_keys import OPS, ORDERS_WRITE, ApiKey
from adapters.postgres.moves import allowed_now
from adapters.postgres.orders import (
    StoredEvent,
    StoredOrder,
    StoredPayment,
    StoredRefund,
    StoredReturn,
)
from api import outlook
from api.etags import etag_of
from api.services import Services
from ordersaga import keys
from ordersaga.lifecycle import allowed_return_requests
from ordersaga.order import Line

JSON: Final = "application/json"


def json_response(
    content: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """`content` as JSON."""
    return _response(to_json(content), status, headers)


def to_json(content: object) -> bytes:
    """Times in UTC, as RFC 3339 writes them."""
    return orjson.dumps(content, option=orjson.OPT_UTC_Z)


def order_response(
    order: StoredOrder,
    services: Services,
    *,
    has_page: bool,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An order as it is now, with its ETag. `has_page`: see `render_order`."""
    shown = to_json(render_order(order, services, has_page=has_page))
    return _response(shown, status, {**(headers or {}), "ETag": etag_of(order.version, shown)})


def order_path(order_id: str) -> str:
    """Where an order is."""
    return f"/v1/orders/{order_id}"


def may_open_page(caller: ApiKey) -> bool:
    """The buyer's page cancels: its link is for keys that may change orders, too."""
    return ORDERS_WRITE in caller.scopes or OPS in caller.scopes


def render_order(order: StoredOrder, services: Services, *, has_page: bool) -> dict[str, object]:
    """As it is now. `has_page`: with the link of its buyer's page, if there are such pages."""
    pages = services.workflow_pages
    workflow = f"{pages}/{keys.workflow_id(order.id)}" if pages else None
    return {
        "id": order.id,
        "status": order.status,
        "payment_status": order.payment_status,
        "fulfillment_status": order.fulfillment_status,
        "total": money(order.total, order.currency),
        "currency": order.currency,
        "customer": _customer(order),
        "lines": [_line(line, order.currency) for line in order.lines],
        "shipping_address": order.shipping_address or {"country": order.country},
        "shipping_fee": money(order.shipping_fee, order.currency),
        "payments": [_payment(payment, order.currency) for payment in order.payments],
        "shipments": [_shipment(order)],
        "returns": [_return(return_, order) for return_ in order.returns],
        "refunds": [_refund(refund, order.currency) for refund in order.refunds],
        "review": order.review,
        "hold": _hold(order.hold),
        "failure": order.failure,
        "attention": order.attention,
        "waiting_for": outlook.waiting_for(order),
        "deadline": outlook.deadline(order),
        "allowed": allowed_now(order, return_window_s=services.settings.return_window_s),
        "paid_at": order.paid_at,
        "confirmed_at": order.confirmed_at,
        "shipped_at": order.shipped_at,
        "delivered_at": order.delivered_at,
        "received_at": order.received_at,
        "completed_at": order.completed_at,
        "erased_at": order.erased_at,
        "metadata": order.metadata,
        "version": order.version,
        "created_at": order.created_at,
        "updated_at": order.updated_at,
        "links": {
            "events": f"{order_path(order.id)}/events",
            "track": services.track_links.url(order.id) if has_page else None,
            "tracking": f"{order_path(order.id)}/tracking",
            "workflow": workflow,
        },
    }


def render_event(event: StoredEvent) -> dict[str, object]:
    """One row of history."""
    return {
        "sequence": event.sequence,
        "type": event.type,
        "machine": event.machine,
        "from": event.from_state,
        "to": event.to_state,
        "data": event.data,
        "occurred_at": event.occurred_at,
        "recorded_at": event.recorded_at,
    }


def money(amount: int, currency: str) -> dict[str, object]:
    """Minor units and their currency."""
    return {"amount": amount, "currency": currency}


def _response(content: bytes, status: int, headers: Mapping[str, str] | None) -> Response:
    return Response(
        content,
        status_code=status,
        headers={"Cache-Control": "no-store", **(headers or {})},
        media_type=JSON,
    )


def _customer(order: StoredOrder) -> dict[str, object]:
    person = order.customer or {}
    unnamed = None if order.customer is None else LANGUAGES[0]  # what his mails are written in
    return {
        "id": order.customer_id,
        "name": person.get("name"),
        "email": person.get("email"),
        "phone": person.get("phone"),
        "locale": person.get("locale") or unnamed,
        "notify": person.get("notify"),
    }


def _line(line: Line, currency: str) -> dict[str, object]:
    return {
        "sku": line.sku,
        "quantity": line.quantity,
        "unit_price": money(line.unit_price, currency),
        "tax": money(line.tax, currency),
    }


def _payment(payment: StoredPayment, currency: str) -> dict[str, object]:
    return {
        "id": payment.id,
        "method": payment.method,
        "status": payment.status,
        "amount": money(payment.amount, currency),
        "captured": money(payment.captured, currency),
        "refunded": money(payment.refunded, currency),
        "next_action": payment.next_action,
        "expires_at": payment.expires_at,
    }


def _shipment(order: StoredOrder) -> dict[str, object]:
    shipment = order.shipment
    return {
        "id": shipment.id,
        "carrier": shipment.carrier,
        "service": shipment.service,
        "tracking_number": shipment.tracking_number,
        "tracking_status": shipment.tracking_status,
        "estimated_at": shipment.estimated_at,
    }


def _return(return_: StoredReturn, order: StoredOrder) -> dict[str, object]:
    return {
        "id": return_.id,
        "status": return_.status,
        "reason": return_.reason,
        "amount": money(return_.amount, order.currency),
        "lines": [
            {
                "sku": line.sku,
                "quantity": line.quantity,
                "amount": money(line.amount, order.currency),
            }
            for line in return_.lines
        ],
        "requested_at": return_.requested_at,
        "allowed": allowed_return_requests(order.status, return_.status),
    }


def _refund(refund: StoredRefund, currency: str) -> dict[str, object]:
    return {
        "id": refund.id,
        "payment_id": refund.payment_id,
        "amount": money(refund.amount, currency),
        "cause": refund.cause,
        "return_id": refund.return_id,
        "created_at": refund.created_at,
        "refunded_at": refund.refunded_at,
        "destination": refund.destination,
    }


def _hold(hold: Mapping[str, JsonValue] | None) -> dict[str, object] | None:
    """Who placed it is for those who read its history."""
    if hold is None:
        return None
    return {
        "kind": hold["kind"],
        "reason": hold["reason"],
        "since": datetime.fromisoformat(str(hold["since"])),
        "until": datetime.fromisoformat(str(hold["until"])),
    }
