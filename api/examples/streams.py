"""What OpenAPI shows of live streams."""

from __future__ import annotations

import json
from typing import Final

from api.examples.orders import ORDER_ID

_CONFIRMED: Final = {
    "specversion": "1.0",
    "id": f"{ORDER_ID}:2",
    "source": "/ordersaga/tenants/shop",
    "type": "ordersaga.order.confirmed",
    "subject": ORDER_ID,
    "time": "2026-03-02T14:05:12.118430+00:00",
    "datacontenttype": "application/json",
    "dataschema": "urn:ordersaga:event:order.confirmed",
    "sequence": "000000002",
    "data": {
        "order_id": ORDER_ID,
        "sequence": 2,
        "type": "order.confirmed",
        "machine": "status",
        "from": "pending",
        "to": "confirmed",
        "data": {},
        "occurred_at": "2026-03-02T14:05:12.118430+00:00",
        "recorded_at": "2026-03-02T14:05:12.121007+00:00",
    },
}


def _stream(known: int, event_id: int) -> str:
    """From its beginning to the first heartbeat."""
    data = json.dumps(_CONFIRMED, separators=(",", ":"))
    began = f"id: {known}\nretry: 1000\n\n"
    return f"{began}id: {event_id}\nevent: order.confirmed\ndata: {data}\n\n:\n\n"


ORDER_STREAM: Final = _stream(1, 2)
TENANT_STREAM: Final = _stream(48_211, 48_215)
