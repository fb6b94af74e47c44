"""What OpenAPI shows of endpoints, and of what went to one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel

from api import endpoint_models as models
from api.examples.orders import ORDER_ID, PLACED_AT, Example

ENDPOINT_ID: Final = "whe_01M7K3Q5T8A2B4C6D8E0F1G2H3"

_ENDPOINT: Final[Example] = {
    "id": ENDPOINT_ID,
    "url": "https://shop.example/hooks/orders",
    "event_types": ["order.*", "payment.captured"],
    "description": "the shop's own",
    "enabled": True,
    "disabled_at": None,
    "disabled_why": None,
    "failing_since": None,
    "created_at": PLACED_AT,
}
_GONE: Final[Example] = {
    **_ENDPOINT,
    "enabled": False,
    "disabled_at": "2026-03-04T02:17:30.114206Z",
    "disabled_why": "gone",
    "failing_since": "2026-03-04T02:17:30.114206Z",
}
_DELIVERED: Final[Example] = {
    "event_id": f"{ORDER_ID}:5",
    "order_id": ORDER_ID,
    "type": "order.confirmed",
    "status": "delivered",
    "tries": 1,
    "created_at": PLACED_AT,
    "last_tried_at": PLACED_AT,
    "next_try_at": None,
    "ended_at": PLACED_AT,
    "http_status": 204,
    "error": None,
    "excerpt": "",
}
_REFUSED: Final[Example] = {
    **_DELIVERED,
    "event_id": f"{ORDER_ID}:6",
    "type": "parcel.released",
    "status": "pending",
    "tries": 2,
    "next_try_at": "2026-03-02T14:05:42.118604Z",
    "ended_at": None,
    "http_status": 503,
    "error": "it answered 503",
    "excerpt": "in maintenance",
}
_SECRET: Final = "whsec_" + "A" * 8 + "…"  # its end is not there

SHOWN: Final[Mapping[type[BaseModel], Mapping[str, Example]]] = {
    models.EndpointBody: {
        "some_events": {
            "url": "https://shop.example/hooks/orders",
            "event_types": ["order.*", "payment.captured"],
            "description": "the shop's own",
        },
        "all_events": {"url": "https://shop.example/hooks/all"},
    },
    models.RotationBody: {"a_day_of_both": {"overlap_s": 86_400}, "at_once": {"overlap_s": 0}},
    models.ReplayBody: {"of_last_night": {"since": "2026-03-01T20:00:00Z"}},
    models.SecretView: {
        "shown_once": {**_ENDPOINT, "secret": _SECRET},
        "asked_again": {**_ENDPOINT, "secret": None},
    },
    models.EndpointView: {"enabled": _ENDPOINT, "gone": _GONE},
    models.EndpointList: {"one": {"endpoints": [_ENDPOINT]}},
    models.DeliveryView: {"pending": {**_REFUSED, "tries": 0}, "delivered": _DELIVERED},
    models.DeliveryPage: {"last_page": {"deliveries": [_REFUSED, _DELIVERED], "next_cursor": None}},
    models.TestView: {
        "taken": {
            "event_id": "evt_01M7K3Q5T8A2B4C6D8E0F1G2H3",
            "delivered": True,
            "http_status": 204,
            "error": None,
            "excerpt": "",
        },
        "refused": {
            "event_id": "evt_01M7K3Q5T8A2B4C6D8E0F1G2H4",
            "delivered": False,
            "http_status": 302,
            "error": "it answered 302: redirects are not followed",
            "excerpt": "",
        },
    },
}
