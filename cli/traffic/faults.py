"""The faults that drawn orders meet: one table, with how each must end.

Only faults that end by themselves within seconds: `tok_unavailable` and payers who never come would
hold a demo up until their deadline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cli.traffic.orders import Payer
from ordersaga.order import CANCELED


@dataclass(frozen=True)
class Fault:
    """`ends`: with this outcome, for one of these reasons (none: any).

    `tokens`: of the payments by `method`, which share the total evenly.
    `service`: of the sandbox carrier; none: the parcel is as drawn.
    `off_by`: the payments miss the total by so many minor units. The rest: see `Story`.
    """

    name: str
    ends: str
    reasons: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ("tok_ok",)
    method: str = "card"
    service: str = ""
    sku: str = ""
    payer: Payer = "pays"
    changes_mind: bool = False
    short_by: int = 0
    off_by: int = 0


FAULTS: Final = (
    Fault("declined", "rejected", ("card_declined",), ("tok_declined",)),
    Fault("insufficient funds", "rejected", ("insufficient_funds",), ("tok_insufficient_funds",)),
    Fault("capture declined", "rejected", ("capture_declined",), ("tok_capture_declined",)),
    Fault(
        "second card declined, refund of the first fails three times",
        "rejected",
        ("card_declined",),
        ("tok_refund_flaky_3", "tok_declined"),
    ),
    Fault(
        "second capture declined, refund of the first fails three times",
        "rejected",
        ("capture_declined",),
        ("tok_refund_flaky_3", "tok_capture_declined"),
    ),
    Fault("provider fails three times", "confirmed", tokens=("tok_flaky_3",)),
    Fault("provider's reply is lost", "confirmed", tokens=("tok_lost_reply",)),
    Fault("provider takes two seconds", "confirmed", tokens=("tok_slow_2000",)),
    Fault("carrier refuses", "rejected", ("shipping_refused",), service="ship_refused"),
    Fault("carrier fails three times", "confirmed", service="ship_flaky_3"),
    Fault("carrier's reply is lost", "confirmed", service="ship_lost_reply"),
    Fault(
        "declined, and the parcel's cancel fails three times",
        "rejected",
        ("capture_declined",),
        ("tok_capture_declined",),
        service="ship_cancel_flaky_3",
    ),
    Fault("payments do not add up", "refused", ("invalid_request",), off_by=1),
    Fault("unknown SKU", "rejected", ("unknown_sku",), sku="no-such-thing"),
    Fault("voucher too small", "rejected", ("insufficient_funds",), method="voucher", short_by=1),
    Fault("slip not paid by the bank", "rejected", method="boleto", payer="fails"),
    Fault("slip given up by the buyer", "canceled", (CANCELED,), method="boleto", payer="leaves"),
    Fault("buyer changes mind", "canceled", (CANCELED,), changes_mind=True),
    Fault(
        "buyer changes mind, refund fails three times",
        "canceled",
        (CANCELED,),
        ("tok_refund_flaky_3",),
        changes_mind=True,
    ),
)
