"""What OpenAPI shows of each body, each answer and each problem: one shop's orders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel

from api import models, views
from api.examples import analytics, endpoints
from api.examples.orders import (
    ADDRESS,
    APPROVED,
    CANCELED,
    COMPENSATING,
    COMPLETED,
    CONFIRMED,
    CUSTOMER,
    DECLINED,
    HELD,
    LINE,
    PAYMENT_ID,
    PENDING,
    PLACED_AT,
    RECEIVED,
    REFUNDING,
    REJECTED,
    REVIEWED,
    SENDING_BACK,
    SHIPPED,
    Example,
    brl,
)
from ordersaga.messages import PaymentMessage, TrackingMessage

_CARD: Final = {"method": "card", "token": "tok_ok"}
_ORDER: Final = {
    "customer": {k: v for k, v in CUSTOMER.items() if v is not None},
    "currency": "BRL",
    "lines": [LINE],
    "shipping_address": {k: v for k, v in ADDRESS.items() if v is not None},
    "shipping_fee": brl(2058),
    "payments": [_CARD],
    "metadata": {"reference": "A-2026-0314"},
}

# By name: what is sent, or answered. The first is the plainest.
SHOWN: Final[Mapping[type[BaseModel], Mapping[str, Example]]] = {
    models.OrderBody: {
        "by_card": _ORDER,
        "voucher_and_card": {
            **_ORDER,
            "payments": [
                {"method": "voucher", "token": "SPRING-2026", "amount": brl(5000)},
                {"method": "card", "token": "tok_ok"},
            ],
            "shipping": {"carrier": "sandbox", "service": "standard"},
        },
        "paid_later": {
            "customer": {"id": "c-1"},
            "currency": "BRL",
            "lines": [{"sku": "mug-blue", "quantity": 1, "unit_price": brl(7500)}],
            "shipping_address": {"country": "BR"},
        },
    },
    models.CancelBody: {"with_reason": {"reason": "ordered twice"}},
    models.PayBody: {"by_card": {"payments": [_CARD]}},
    models.AttentionBody: {
        "retry": {
            "step": f"payment:{PAYMENT_ID}",
            "action": "retry",
            "note": "the provider is back",
        }
    },
    models.HoldBody: {"suspicion": {"reason": "looks like a stolen card"}},
    models.ReleaseBody: {"checked": {"reason": "the buyer called back"}},
    models.AcceptBody: {"in_stock": {"reason": "made to order, done by Friday"}},
    models.DeclineBody: {"too_late": {"reason": "cannot be made in time"}},
    models.ShipBody: {"handed_over": {"tracking_number": "BR123456789"}},
    models.ReceiptBody: {"arrived": {}},
    models.ReviewBody: {"good": {"rating": 5, "comment": "came quickly"}},
    models.ReturnBody: {
        "one_of_them": {"lines": [{"sku": "mug-blue", "quantity": 1}], "reason": "too small"},
        "everything": {"reason": "came too late"},
    },
    models.ReturnMoveBody: {"agreed": {}},
    models.RefundBody: {"goodwill": {"amount": brl(1000), "reason": "arrived late"}},
    models.StockBody: {"counted": {"on_hand": 100}},
    models.StockItemsBody: {
        "two": {"items": [{"sku": "mug-blue", "on_hand": 100}, {"sku": "tea-200g", "on_hand": 40}]}
    },
    models.CreditBody: {"goodwill": {"amount": brl(2500), "reason": "a late parcel"}},
    models.VoucherBody: {"spring": {"code": "SPRING-2026", "amount": brl(5000)}},
    PaymentMessage: {
        "captured": {
            "type": "payment.captured",
            "data": {"payment_id": PAYMENT_ID, "amount": brl(17058)},
        }
    },
    TrackingMessage: {
        "in_transit": {
            "type": "tracking.updated",
            "data": {
                "tracking_number": "BR123456789",
                "status": "in_transit",
                "occurred_at": "2026-03-04T06:10:00Z",
                "location": "São Paulo",
                "estimated_at": "2026-03-06T18:00:00Z",
            },
        }
    },
    views.OrderView: {
        "confirmed": CONFIRMED,
        "rejected": REJECTED,
        "pending": PENDING,
        "held": HELD,
        "compensating": COMPENSATING,
        "canceled": CANCELED,
        "shipped": SHIPPED,
        "completed": COMPLETED,
        "reviewed": REVIEWED,
        "return_requested": SENDING_BACK,
        "return_approved": APPROVED,
        "return_declined": DECLINED,
        "return_received": RECEIVED,
        "refunding": REFUNDING,
    },
    views.OrderPage: {"last_page": {"orders": [CONFIRMED], "next_cursor": None}},
    views.EventList: {
        "first_events": {
            "events": [
                {
                    "sequence": 1,
                    "type": "order.accepted",
                    "machine": "status",
                    "from": None,
                    "to": "pending",
                    "data": {
                        "payments": [{"id": PAYMENT_ID, "method": "card", "amount": 17058}],
                        "total": 17058,
                        "currency": "BRL",
                    },
                    "occurred_at": PLACED_AT,
                    "recorded_at": "2026-03-02T14:05:11.404102Z",
                }
            ]
        }
    },
    views.TrackingView: {
        "seen_once": {
            "events": [
                {
                    "status": "in_transit",
                    "occurred_at": "2026-03-04T06:10:00Z",
                    "location": "São Paulo",
                    "detail": None,
                    "estimated_at": "2026-03-06T18:00:00Z",
                }
            ]
        }
    },
    views.StockView: {
        "some_reserved": {"sku": "mug-blue", "on_hand": 100, "available": 98, "reserved": 2}
    },
    views.StockList: {
        "two": {
            "items": [
                {"sku": "mug-blue", "on_hand": 100, "available": 98, "reserved": 2},
                {"sku": "tea-200g", "on_hand": 40, "available": 40, "reserved": 0},
            ]
        }
    },
    views.AccountView: {
        "credited": {
            "customer_id": "c-1",
            "balances": [brl(2500)],
            "entries": [
                {
                    "transfer": "credit:crd_01M83R0W6JX8F1T5C2N9HQZKVD",
                    "amount": brl(2500),
                    "order_id": None,
                    "reason": "a late parcel",
                    "created_at": "2026-03-12T12:00:04.220871Z",
                }
            ],
        }
    },
    views.VoucherView: {
        "unspent": {"code": "SPRING-2026", "amount": brl(5000), "balance": brl(5000)}
    },
    views.ReceiptView: {
        "kept": {"message": "kept"},
        "seen_before": {"message": "seen_before"},
    },
    views.HealthView: {"alive": {"status": "ok"}},
    views.ReadinessView: {
        "ready": {"status": "ok", "postgres": True, "temporal": True},
        "temporal_away": {"status": "unavailable", "postgres": True, "temporal": False},
    },
    **endpoints.SHOWN,
    **analytics.SHOWN,
}
