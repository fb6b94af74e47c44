"""What others hear of an order: its history's rows, one event each, as CloudEvents (1.0, JSON).

An event says that something happened and what moved, by ids and amounts. It has no personal data: who
may know more asks the API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import JsonValue

TYPE_PREFIX: Final = "ordersaga."  # reverse names are for those who own one
SOURCE: Final = "/ordersaga/tenants/"
SCHEMA: Final = "urn:ordersaga:event:"
CONTENT_TYPE: Final = "application/cloudevents+json"
SEQUENCE_DIGITS: Final = 9  # CloudEvents' `sequence` is compared as text


@dataclass(frozen=True, kw_only=True)
class OrderEvent:
    """One row of an order's history, on its way to others.

    `position`: among all events, in the order in which they were committed; grows, with gaps.
    """

    position: int
    tenant: str
    order_id: str
    sequence: int
    type: str
    machine: str | None
    from_state: str | None
    to_state: str | None
    data: Mapping[str, JsonValue]
    occurred_at: datetime
    recorded_at: datetime

    @property
    def id(self) -> str:
        """The same for every delivery of it, by whatever way."""
        return f"{self.order_id}:{self.sequence}"

    @property
    def routing_key(self) -> str:
        """`order.<machine>.<state>`; of what moves no machine, `order.note.<type>`."""
        if self.machine is None:
            return f"order.note.{self.type.replace('.', '_')}"
        return f"order.{self.machine}.{self.to_state}"

    def to_cloudevent(self) -> dict[str, JsonValue]:
        """The event as everybody gets it."""
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": SOURCE + self.tenant,
            "type": TYPE_PREFIX + self.type,
            "subject": self.order_id,
            "time": self.occurred_at.isoformat(),
            "datacontenttype": "application/json",
            "dataschema": SCHEMA + self.type,
            "sequence": str(self.sequence).zfill(SEQUENCE_DIGITS),
            "data": {
                "order_id": self.order_id,
                "sequence": self.sequence,
                "type": self.type,
                "machine": self.machine,
                "from": self.from_state,
                "to": self.to_state,
                "data": dict(self.data),
                "occurred_at": self.occurred_at.isoformat(),
                "recorded_at": self.recorded_at.isoformat(),
            },
        }
