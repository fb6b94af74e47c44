"""What OpenAPI shows of each problem."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from api.examples.orders import Example

# Of a problem, besides what its table says; of one that is not here, its title says it all.
PROBLEMS: Final[Mapping[str, Example]] = {
    "malformed_request": {
        "detail": "the body is not JSON: Expecting value at line 1, column 13",
    },
    "idempotency_key_missing": {"detail": "send an Idempotency-Key, new for each intent"},
    "idempotency_key_invalid": {"detail": "it has 1 to 255 visible ASCII characters"},
    "unauthorized": {"detail": "this key is not valid"},
    "bad_signature": {"detail": "no signature fits"},
    "forbidden": {"detail": "this key has no scope orders:write"},
    "not_found": {"detail": "there is no order of this id"},
    "request_timeout": {"detail": "the body did not arrive within 10 s"},
    "illegal_move": {
        "detail": "an order that is completed takes no cancel now",
        "allowed": ["returns", "review", "refunds"],
    },
    "cancel_refused": {
        "detail": "the parcel cannot be called back",
        "allowed": ["confirm-receipt", "refunds"],
    },
    "return_window_over": {"detail": "it was delivered too long ago", "allowed": ["refunds"]},
    "tracking_number_taken": {"detail": "look at the label again"},
    "request_in_flight": {"detail": "one with this Idempotency-Key is not done yet"},
    "stock_reserved": {
        "detail": "nothing was changed",
        "errors": [{"pointer": "/on_hand", "detail": "is less than what is reserved"}],
    },
    "voucher_exists": {"detail": "codes are used once, in one currency"},
    "events_gone": {"detail": "begin anew, without Last-Event-ID, and look at your orders once"},
    "version_mismatch": {"detail": "its version is 7 by now: read it again"},
    "body_too_large": {"detail": "the body is larger than 1,048,576 bytes"},
    "unsupported_encoding": {"detail": "send the body as it is, not compressed"},
    "invalid_request": {
        "detail": "/amount/currency: must be the order's, BRL",
        "errors": [{"pointer": "/amount/currency", "detail": "must be the order's, BRL"}],
    },
    "card_number": {
        "detail": "/metadata/note: has the number of a payment card: "
        "send the provider's token in its place",
        "errors": [
            {
                "pointer": "/metadata/note",
                "detail": "has the number of a payment card: "
                "send the provider's token in its place",
            }
        ],
    },
    "refund_too_large": {
        "detail": "75.00 BRL is left",
        "errors": [{"pointer": "/amount/amount", "detail": "75.00 BRL is left"}],
    },
    "idempotency_mismatch": {"detail": "it came with another body before"},
    "unavailable": {"detail": "try again in a moment: nothing is half done"},
}
