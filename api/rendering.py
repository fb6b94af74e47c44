"""An order as the API shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import orjson
from starlette.responses import Response

from adapters.postgres.orders import StoredEvent, StoredOrder, StoredPayment
from ordersaga import keys
from ordersaga.lifecycle import FINAL, PaymentStatus, Status, allowed_requests
from ordersaga.order import MERCHANT, Line

JSON: Final = "application/json"

# Who has to act before the order goes on.
WaitingFor = Literal["participants", "buyer", "payer", "operator", "merchant", "carrier"]


def json_response(
    content: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """`content` as JSON; times in UTC, as RFC 3339 writes them."""
    return Response(
        orjson.dumps(content, option=orjson.OPT_UTC_Z),
        status_code=status,
        headers={"Cache-Control": "no-store", **(headers or {})},
        media_type=JSON,
    )


def waiting_for(
    *,
    status: str,
    payment_status: str,
    has_payments: bool,
    total: int,
    carrier: str,
    in_attention: bool,
) -> WaitingFor | None:
    """Who has to act next; None: nobody, it is over.

    buyer: to say how it is paid, or that it arrived · payer: to pay a slip, to pass 3-D Secure ·
    participants: the saga is asking them, or undoing · operator: something keeps failing ·
    merchant, carrier: to hand over, to bring the parcel.
    """
    if status in FINAL:
        return None
    if in_attention:
        return "operator"
    match status:
        case Status.CONFIRMED:
            return "merchant" if carrier == MERCHANT else "carrier"
        case Status.SHIPPED:
            return "carrier"
        case Status.DELIVERED:
            return "buyer"
        case Status.PENDING if not has_payments and total > 0:
            return "buyer"
        case Status.PENDING if payment_status == PaymentStatus.REQUIRES_ACTION:
            return "payer"
    return "participants"


def order_path(order_id: str) -> str:
    """Where an order is."""
    return f"/v1/orders/{order_id}"


def render_order(order: StoredOrder, *, workflow_pages: str) -> dict[str, object]:
    """`workflow_pages`: where Temporal's UI shows workflows; empty: nowhere."""
    has_payments = bool(order.payments)
    in_attention = order.attention is not None
    workflow = f"{workflow_pages}/{keys.workflow_id(order.id)}" if workflow_pages else None
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
        "returns": [],
        "review": None,
        "failure": order.failure,
        "attention": order.attention,
        "waiting_for": waiting_for(
            status=order.status,
            payment_status=order.payment_status,
            has_payments=has_payments,
            total=order.total,
            carrier=order.shipment.carrier,
            in_attention=in_attention,
        ),
        "deadline": order.deadline if order.status == Status.PENDING else None,
        "allowed": allowed_requests(
            status=order.status,
            has_payments=has_payments,
            total=order.total,
            in_attention=in_attention,
        ),
        "paid_at": order.paid_at,
        "confirmed_at": order.confirmed_at,
        "shipped_at": order.shipped_at,
        "delivered_at": order.delivered_at,
        "received_at": order.received_at,
        "completed_at": order.completed_at,
        "metadata": order.metadata,
        "version": order.version,
        "created_at": order.created_at,
        "updated_at": order.updated_at,
        "links": {
            "events": f"{order_path(order.id)}/events",
            "track": None,
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


def _customer(order: StoredOrder) -> dict[str, object]:
    person = order.customer or {}
    return {
        "id": order.customer_id,
        "name": person.get("name"),
        "email": person.get("email"),
        "phone": person.get("phone"),
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
