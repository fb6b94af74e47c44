"""What orders meet in chaos: all of the demo's faults, and those that need a long patience."""

from __future__ import annotations

from typing import Final

from cli.traffic.faults import FAULTS, Fault
from ordersaga.order import CANCELED, PAYMENT_EXPIRED, PROVIDER_UNAVAILABLE

CHAOS_FAULTS: Final = (
    *FAULTS,
    Fault("payer has to act", "confirmed", tokens=("tok_requires_action",)),
    Fault("payer has to act and fails", "rejected", (), ("tok_requires_action",), payer="fails"),
    Fault("provider is away", "canceled", (PROVIDER_UNAVAILABLE,), ("tok_unavailable",)),
    Fault("carrier is away", "canceled", (PROVIDER_UNAVAILABLE,), service="ship_unavailable"),
    Fault("release fails three times", "confirmed", service="ship_release_flaky_3"),
    Fault("release is refused", "canceled", service="ship_release_refused"),
    Fault(
        "carrier takes two seconds, and the card is declined",
        "rejected",
        ("capture_declined",),
        ("tok_capture_declined",),
        service="ship_slow_2000",
    ),
    Fault(
        "declined, and refunds are away until told otherwise",
        "rejected",
        ("capture_declined",),
        ("tok_refund_unavailable", "tok_capture_declined"),
    ),
    Fault(
        "declined, and the parcel's cancel is away until told otherwise",
        "rejected",
        ("capture_declined",),
        ("tok_capture_declined",),
        service="ship_cancel_unavailable",
    ),
    Fault(
        "buyer changes mind, a wallet's reply is lost",
        "canceled",
        (CANCELED,),
        ("tok_lost_reply",),
        method="alipay",
        changes_mind=True,
    ),
)

# What may end any order early where parts die: nobody's fault, and nothing remains of it.
OUT_OF_PATIENCE: Final = frozenset({PROVIDER_UNAVAILABLE, PAYMENT_EXPIRED})
