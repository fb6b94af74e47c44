"""One order in its states, as the local stack would show it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

Example: TypeAlias = Mapping[str, Any]

ORDER_ID: Final = "ord_01M7YSM35RQCGYCAPV98JR57X1"
RETURN_ID: Final = "ret_01M83N5Q9V4T2ZJ6C0RDYB8WKE"
PAYMENT_ID: Final = "pay_01M7YSM35RZH5T8P0N7DK3W4QA"
TRACK_PAGE: Final = (
    f"http://127.0.0.1:8000/track/{ORDER_ID.removeprefix('ord_')}-k4vq2zt7mfxd3hcjw6oyb5n2ai"
)
PLACED_AT: Final = "2026-03-02T14:05:11.402918Z"
DECIDED_AT: Final = "2026-03-02T14:05:11.873204Z"


def brl(amount: int) -> Example:
    return {"amount": amount, "currency": "BRL"}


LINE: Final = {"sku": "mug-blue", "quantity": 2, "unit_price": brl(7500), "tax": brl(0)}
CUSTOMER: Final = {
    "id": "c-1",
    "name": "Ana Souza",
    "email": "ana@example.org",
    "phone": None,
    "locale": "en",
    "notify": "all",
}
ADDRESS: Final = {
    "name": "Ana Souza",
    "line1": "Rua da Aurora 12",
    "line2": None,
    "city": "Recife",
    "region": "PE",
    "postal_code": "50050-000",
    "country": "BR",
}
PAYMENT: Final = {
    "id": PAYMENT_ID,
    "method": "card",
    "status": "captured",
    "amount": brl(17058),
    "captured": brl(17058),
    "refunded": brl(0),
    "next_action": None,
    "expires_at": None,
}
SHIPMENT: Final = {
    "id": "shp_01M7YSM35RMX0V2E9S6B4H8GTF",
    "carrier": "merchant",
    "service": "standard",
    "tracking_number": None,
    "tracking_status": "unknown",
    "estimated_at": None,
}

CONFIRMED: Final[Example] = {
    "id": ORDER_ID,
    "status": "confirmed",
    "payment_status": "captured",
    "fulfillment_status": "booked",
    "total": brl(17058),
    "currency": "BRL",
    "customer": CUSTOMER,
    "lines": [LINE],
    "shipping_address": ADDRESS,
    "shipping_fee": brl(2058),
    "payments": [PAYMENT],
    "shipments": [SHIPMENT],
    "returns": [],
    "refunds": [],
    "review": None,
    "hold": None,
    "failure": None,
    "attention": None,
    "waiting_for": "merchant",
    "deadline": None,
    "allowed": ["ship", "cancel", "refunds"],
    "paid_at": "2026-03-02T14:05:11.790415Z",
    "confirmed_at": DECIDED_AT,
    "shipped_at": None,
    "delivered_at": None,
    "received_at": None,
    "completed_at": None,
    "erased_at": None,
    "metadata": {"reference": "A-2026-0314"},
    "version": 5,
    "created_at": PLACED_AT,
    "updated_at": DECIDED_AT,
    "links": {
        "events": f"/v1/orders/{ORDER_ID}/events",
        "track": TRACK_PAGE,
        "tracking": f"/v1/orders/{ORDER_ID}/tracking",
        "workflow": f"http://127.0.0.1:8233/namespaces/default/workflows/order:{ORDER_ID}",
    },
}
_NOT_TAKEN: Final = {"captured": brl(0), "refunded": brl(0)}
PENDING: Final[Example] = {
    **CONFIRMED,
    "status": "pending",
    "payment_status": "unpaid",
    "fulfillment_status": "unfulfilled",
    "payments": [{**PAYMENT, **_NOT_TAKEN, "status": "unpaid"}],
    "waiting_for": "participants",
    "deadline": "2026-03-09T14:05:11.402918Z",
    "allowed": ["hold", "cancel"],
    "paid_at": None,
    "confirmed_at": None,
    "version": 1,
    "updated_at": PLACED_AT,
}
REJECTED: Final[Example] = {
    **PENDING,
    "status": "rejected",
    "payment_status": "failed",
    "payments": [{**PAYMENT, **_NOT_TAKEN, "status": "failed"}],
    "failure": {
        "participant": "payment",
        "code": "card_declined",
        "detail": "the card was declined",
    },
    "waiting_for": None,
    "deadline": None,
    "allowed": [],
    "version": 4,
    "updated_at": DECIDED_AT,
}
HELD: Final[Example] = {
    **PENDING,
    "hold": {
        "kind": "operator",
        "reason": "looks like a stolen card",
        "since": "2026-03-02T14:06:40.118273Z",
        "until": "2026-03-05T14:06:40.118273Z",
    },
    "waiting_for": "operator",
    "deadline": "2026-03-05T14:06:40.118273Z",
    "allowed": ["release", "cancel"],
    "version": 2,
    "updated_at": "2026-03-02T14:06:40.118273Z",
}
COMPENSATING: Final[Example] = {
    **CONFIRMED,
    "status": "compensating",
    "waiting_for": "participants",
    "allowed": [],
    "version": 7,
    "updated_at": "2026-03-02T15:20:02.551720Z",
}
CANCELED: Final[Example] = {
    **COMPENSATING,
    "status": "canceled",
    "payment_status": "refunded",
    "fulfillment_status": "canceled",
    "payments": [{**PAYMENT, "status": "refunded", "refunded": brl(17058)}],
    "waiting_for": None,
    "version": 11,
    "updated_at": "2026-03-02T15:20:03.004417Z",
}
_NUMBERED: Final = {**SHIPMENT, "tracking_number": "BR123456789"}
SHIPPED: Final[Example] = {
    **CONFIRMED,
    "status": "shipped",
    "fulfillment_status": "shipped",
    "shipments": [_NUMBERED],
    "waiting_for": "carrier",
    "allowed": ["confirm-receipt", "refunds"],
    "shipped_at": "2026-03-03T09:30:00.417203Z",
    "version": 7,
    "updated_at": "2026-03-03T09:30:00.417203Z",
}
COMPLETED: Final[Example] = {
    **SHIPPED,
    "status": "completed",
    "fulfillment_status": "delivered",
    "waiting_for": None,
    "allowed": ["returns", "review", "refunds"],
    "delivered_at": "2026-03-06T16:12:45.702214Z",
    "received_at": "2026-03-06T16:12:45.702214Z",
    "completed_at": "2026-03-06T16:12:45.702214Z",
    "version": 11,
    "updated_at": "2026-03-06T16:12:45.702214Z",
}
REVIEWED: Final[Example] = {
    **COMPLETED,
    "allowed": ["returns", "refunds"],
    "review": {
        "rating": 5,
        "comment": "came quickly",
        "created_at": "2026-03-07T08:00:12.100932Z",
    },
    "version": 12,
}
_RETURN: Final = {
    "id": RETURN_ID,
    "status": "requested",
    "reason": "too small",
    "amount": brl(7500),
    "lines": [{"sku": "mug-blue", "quantity": 1, "amount": brl(7500)}],
    "requested_at": "2026-03-08T10:41:29.330518Z",
    "allowed": ["approve", "decline"],
}
SENDING_BACK: Final[Example] = {**COMPLETED, "returns": [_RETURN], "version": 12}
APPROVED: Final[Example] = {
    **SENDING_BACK,
    "returns": [{**_RETURN, "status": "approved", "allowed": ["decline", "receive"]}],
    "version": 13,
}
DECLINED: Final[Example] = {
    **SENDING_BACK,
    "returns": [{**_RETURN, "status": "declined", "allowed": []}],
    "version": 13,
}
_REFUND: Final = {
    "id": "rfd_01M83NA7K1D5XQ0G4M2PVZ6TRC",
    "payment_id": PAYMENT_ID,
    "amount": brl(7500),
    "cause": "return",
    "return_id": RETURN_ID,
    "created_at": "2026-03-12T11:02:07.815540Z",
    "refunded_at": None,
    "destination": None,
}
RECEIVED: Final[Example] = {
    **SENDING_BACK,
    "returns": [{**_RETURN, "status": "received", "allowed": []}],
    "refunds": [_REFUND],
    "version": 15,
}
REFUNDING: Final[Example] = {
    **COMPLETED,
    "refunds": [{**_REFUND, "cause": "request", "return_id": None, "amount": brl(1000)}],
    "version": 12,
}
