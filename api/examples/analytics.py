"""What OpenAPI shows of analytics: a shop that brought a year of its past with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel

from api import analytics_models as models
from api.examples.orders import ORDER_ID, Example

_ORIGIN: Final[Example] = {
    "fitted_at": "2026-03-05T09:00:00.118274Z",
    "sample": {
        "orders": 1000,
        "own": 400,
        "imported": 600,
        "oldest_at": "2025-02-11T13:56:00Z",
        "newest_at": "2026-03-05T08:41:19.402918Z",
    },
}
_DAY_S: Final = 86_400.0

SHOWN: Final[Mapping[type[BaseModel], Mapping[str, Example]]] = {
    models.TransitionsView: {
        "status": {
            "machine": "status",
            **_ORIGIN,
            "states": ["pending", "confirmed", "shipped", "delivered", "completed", "canceled"],
            "counts": {
                "pending": {"confirmed": 950, "canceled": 50},
                "confirmed": {"shipped": 940},
                "shipped": {"delivered": 900},
                "delivered": {"completed": 330},
                "completed": {},
                "canceled": {},
            },
            "ended": {"completed": 330, "canceled": 50},
            "still": {"confirmed": 10, "shipped": 40, "delivered": 570},
            "probabilities": {
                "pending": {"confirmed": 0.95, "canceled": 0.05},
                "confirmed": {"shipped": 1.0},
                "shipped": {"delivered": 1.0},
                "delivered": {"completed": 1.0},
                "completed": {"completed": 1.0},
                "canceled": {"canceled": 1.0},
            },
            "dwell": {
                "shipped": {
                    "count": 900,
                    "mean_s": 8.2 * _DAY_S,
                    "p50_s": 7.1 * _DAY_S,
                    "p90_s": 15.4 * _DAY_S,
                    "p99_s": 31.9 * _DAY_S,
                }
            },
            "absorption": {
                "pending": {"completed": 0.95, "canceled": 0.05},
                "shipped": {"completed": 1.0},
                "canceled": {"canceled": 1.0},
            },
            "funnel": [
                {"state": "pending", "reached": 1000, "of_all": 1.0, "of_previous": 1.0},
                {"state": "confirmed", "reached": 950, "of_all": 0.95, "of_previous": 0.95},
            ],
        }
    },
    models.EstimateView: {
        "on_its_way": {
            "order_id": ORDER_ID,
            "status": "shipped",
            "since": "2026-03-03T09:00:00Z",
            "spent_s": 2 * _DAY_S,
            "delivery": {
                "p50": "2026-03-10T11:24:00Z",
                "p90": "2026-03-18T18:36:00Z",
                "sample_size": 200,
                "by_promise": True,
            },
            "promised_at": "2026-03-14T18:00:00Z",
            "endings": {"completed": 0.99, "returned": 0.01},
            "overdue": False,
            "p99_s": 31.9 * _DAY_S,
            **_ORIGIN,
        },
        "nothing_is_known_yet": {
            "order_id": ORDER_ID,
            "status": "shipped",
            "since": "2026-03-03T09:00:00Z",
            "spent_s": 2 * _DAY_S,
            "delivery": None,
            "promised_at": None,
            "endings": {},
            "overdue": False,
            "p99_s": None,
            "fitted_at": "2026-03-05T09:00:00.118274Z",
            "sample": {
                "orders": 1,
                "own": 1,
                "imported": 0,
                "oldest_at": "2026-03-02T14:05:11.402918Z",
                "newest_at": "2026-03-02T14:05:11.402918Z",
            },
        },
    },
    models.OverdueList: {
        "one": {
            "orders": [
                {
                    "order_id": ORDER_ID,
                    "status": "shipped",
                    "since": "2026-01-20T09:00:00Z",
                    "spent_s": 44 * _DAY_S,
                    "p99_s": 31.9 * _DAY_S,
                }
            ],
            "limits_s": {"confirmed": 17.0 * _DAY_S, "shipped": 31.9 * _DAY_S},
            **_ORIGIN,
        }
    },
}
