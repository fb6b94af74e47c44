"""Names: ids of things, and the keys of steps.

An id is a prefix and a ULID (https://github.com/ulid/spec): 48 bits of milliseconds, then 80 random
bits, in Crockford's base 32, so that ids sort by the time they were made.
A step's key is `{order}:{step}:{generation}`: known before the step runs, so that an undo needs no result.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from datetime import datetime

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ULID_CHARS = 26
RANDOM_BITS = 80

FIRST_GENERATION = 1


def new_id(prefix: str) -> str:
    """`new_id("ord")` → `"ord_01J…"`. Never called in a workflow: it reads clock and randomness."""
    return _id(prefix, time.time_ns() // 1_000_000, secrets.randbits(RANDOM_BITS))


def least_id(prefix: str, at: datetime) -> str:
    """No id made at `at` or later is less than this one."""
    return _id(prefix, int(at.timestamp() * 1000), 0)


def _id(prefix: str, milliseconds: int, random_bits: int) -> str:
    number = milliseconds << RANDOM_BITS | random_bits
    digits = [CROCKFORD[(number >> shift) & 31] for shift in range(5 * (ULID_CHARS - 1), -1, -5)]
    return f"{prefix}_{''.join(digits)}"


def workflow_id(order_id: str) -> str:
    """The Temporal workflow that owns an order."""
    return f"order:{order_id}"


@dataclass(frozen=True)
class Step:
    """One participant's part in one order: what the fence is keyed by.

    A new generation begins only after the provider said for certain that the last one is dead.
    """

    order_id: str
    name: str
    generation: int = FIRST_GENERATION

    @property
    def key(self) -> str:
        """What a remote participant knows the step by."""
        return f"{self.order_id}:{self.name}:{self.generation}"


STOCK = "stock"


def payment_step(payment_id: str) -> str:
    """Holding and taking one payment."""
    return f"payment:{payment_id}"


def parcel_step(shipment_id: str) -> str:
    """Booking the parcel."""
    return f"parcel:{shipment_id}"


def release_step(shipment_id: str) -> str:
    """Telling the carrier to come."""
    return f"release:{shipment_id}"


def refund_step(refund_id: str) -> str:
    """Giving some of a payment back after `confirm`."""
    return f"refund:{refund_id}"


RESTOCK = "restock"  # of a whole order


def restock_step(return_id: str) -> str:
    """Putting the goods of one return back on the shelf."""
    return f"{RESTOCK}:{return_id}"


def dispute_step(payment_id: str) -> str:
    """A payer's bank wants the money back: a person has to answer."""
    return f"dispute:{payment_id}"


def books_step(payment_id: str) -> str:
    """The provider's books say something else than ours of a payment: a person has to look."""
    return f"books:{payment_id}"


def return_workflow_id(return_id: str) -> str:
    """The Temporal workflow that owns a return."""
    return f"return:{return_id}"


def refund_workflow_id(request_id: str) -> str:
    """The Temporal workflow that owns a refund without a return."""
    return f"refund:{request_id}"


def payment_news_workflow_id(order_id: str, event_id: str) -> str:
    """The Temporal workflow that looks at a payment of an order that is over."""
    return f"payment-news:{order_id}:{event_id}"
