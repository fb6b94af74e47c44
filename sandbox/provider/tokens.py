"""The fault tokens that a payment method may be, and what each does.

Source: the test tokens of the HTTP contract; those marked + are the sandbox's own additions.
"""

from __future__ import annotations

from enum import StrEnum

from sandbox.faults import LONGEST_DELAY_MS, MOST_FAILURES, Fault, Kind, Token
from sandbox.provider.errors import RATE_LIMIT_STATUS


class Operation(StrEnum):
    """What a caller can ask for; faults name these."""

    CREATE = "create"
    CONFIRM = "confirm"
    CAPTURE = "capture"
    CANCEL = "cancel"
    REFUND = "refund"


PREFIX = "tok_"
GENERIC_DECLINE = "generic_decline"
INSUFFICIENT_FUNDS = "insufficient_funds"
WAIT_FOR_PAYER = "payer"
WAIT_FOR_BANK = "bank"

_CONFIRM = frozenset({Operation.CONFIRM.value})
_CAPTURE = frozenset({Operation.CAPTURE.value})
UNDO = frozenset({Operation.CANCEL.value, Operation.REFUND.value})
_FORWARD = frozenset({Operation.CREATE.value}) | _CONFIRM | _CAPTURE

TOKENS: dict[str, Token] = {
    "tok_ok": Token(),
    "tok_declined": Token(
        faults=(Fault(kind=Kind.REFUSE, operations=_CONFIRM, reason=GENERIC_DECLINE),)
    ),
    "tok_insufficient_funds": Token(
        faults=(Fault(kind=Kind.REFUSE, operations=_CONFIRM, reason=INSUFFICIENT_FUNDS),)
    ),
    "tok_requires_action": Token(
        faults=(Fault(kind=Kind.WAIT, operations=_CONFIRM, reason=WAIT_FOR_PAYER),)
    ),
    # + asked of a bank that answers later: /test/payers/{id}/pay|fail plays the bank
    "tok_processing": Token(
        faults=(Fault(kind=Kind.WAIT, operations=_CONFIRM, reason=WAIT_FOR_BANK),)
    ),
    "tok_capture_declined": Token(
        faults=(Fault(kind=Kind.REFUSE, operations=_CAPTURE, reason=GENERIC_DECLINE),)
    ),
    "tok_unavailable": Token(faults=(Fault(kind=Kind.OUT, operations=_FORWARD),)),
    "tok_flaky": Token(
        faults=(Fault(kind=Kind.FAIL_FIRST, operations=_CONFIRM),), most=MOST_FAILURES
    ),
    # + 429 before anything ran: never saved under an idempotency key
    "tok_rate_limited": Token(
        faults=(Fault(kind=Kind.FAIL_FIRST, operations=_CONFIRM, status=RATE_LIMIT_STATUS),),
        most=MOST_FAILURES,
    ),
    "tok_lost_reply": Token(
        faults=(Fault(kind=Kind.LOSE_FIRST_REPLY, operations=_CONFIRM | _CAPTURE),)
    ),
    # + the undo takes effect and its first reply is lost
    "tok_refund_lost_reply": Token(faults=(Fault(kind=Kind.LOSE_FIRST_REPLY, operations=UNDO),)),
    "tok_slow": Token(faults=(Fault(kind=Kind.DELAY, operations=_CONFIRM),), most=LONGEST_DELAY_MS),
    "tok_refund_flaky": Token(
        faults=(Fault(kind=Kind.FAIL_FIRST, operations=UNDO),), most=MOST_FAILURES
    ),
    "tok_refund_unavailable": Token(faults=(Fault(kind=Kind.OUT_UNTIL_RESTORED, operations=UNDO),)),
}
