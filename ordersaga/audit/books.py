"""What the books of others say: the payment provider's and the carrier's own. Amounts in minor units."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

MoneyAtProvider = Literal[
    "idle",  # nobody asked for money yet; or declined: it can be asked again
    "payable",  # its payer, or a bank, could still pay it
    "held",
    "taken",
    "dead",  # canceled: no money, ever
]


@dataclass(frozen=True, slots=True)
class BookedRefund:
    """Money that a provider sent back. `key`: which step of ours asked for it; None: somebody else did."""

    reference: str
    payment_reference: str
    amount: int
    key: str | None


@dataclass(frozen=True, slots=True)
class BookedPayment:
    """A payment in the provider's books. `order_id`, `payment_id`: as we named it there."""

    reference: str
    order_id: str | None
    payment_id: str | None
    state: MoneyAtProvider
    currency: str
    amount: int
    received: int
    refunds: tuple[BookedRefund, ...] = ()

    @property
    def refunded(self) -> int:
        return sum(refund.amount for refund in self.refunds)

    @property
    def has_money(self) -> bool:
        """Whether somebody's money is there: held, or taken and not all sent back."""
        return self.state == "held" or self.received > self.refunded


@dataclass(frozen=True, slots=True)
class BookedSighting:
    """What the carrier said of a parcel; `id` is the message's that told it."""

    id: str
    status: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class BookedParcel:
    """A parcel in the carrier's books, by the key that we booked it with."""

    key: str
    tracking_number: str | None  # none: canceled before it was ever booked
    state: str  # the carrier's own word
    is_live: bool  # not canceled
    sightings: tuple[BookedSighting, ...] | None = None  # None: they were not read

    @property
    def order_id(self) -> str:
        return self.key.partition(":")[0]


@dataclass(frozen=True)
class Books:
    """What the others' books say."""

    payments: tuple[BookedPayment, ...] = ()
    parcels: tuple[BookedParcel, ...] = ()

    def about(self, order_ids: Collection[str], references: Collection[str]) -> Books:
        """Only what names one of these orders, or is one of these payments."""
        return Books(
            payments=tuple(
                p for p in self.payments if p.order_id in order_ids or p.reference in references
            ),
            parcels=tuple(p for p in self.parcels if p.order_id in order_ids),
        )
