"""The services a parcel can be booked with: plain names, and tokens that make the carrier fail.

Source: the test tokens of the HTTP contract; those marked + are the sandbox's own additions.
"""

from __future__ import annotations

from enum import StrEnum

from sandbox.faults import LONGEST_DELAY_MS, MOST_FAILURES, Fault, Kind, Token, faults_of


class Operation(StrEnum):
    """What a caller can ask for; faults name these."""

    BOOK = "book"
    RELEASE = "release"
    CANCEL = "cancel"


PREFIX = "ship_"

_BOOK = frozenset({Operation.BOOK.value})
_RELEASE = frozenset({Operation.RELEASE.value})
_CANCEL = frozenset({Operation.CANCEL.value})

TOKENS: dict[str, Token] = {
    "ship_ok": Token(),
    "ship_refused": Token(
        faults=(Fault(kind=Kind.REFUSE, operations=_BOOK, reason="shipping_refused"),)
    ),
    "ship_unavailable": Token(faults=(Fault(kind=Kind.OUT, operations=_BOOK),)),
    "ship_flaky": Token(
        faults=(Fault(kind=Kind.FAIL_FIRST, operations=_BOOK),), most=MOST_FAILURES
    ),
    "ship_lost_reply": Token(
        faults=(Fault(kind=Kind.LOSE_FIRST_REPLY, operations=_BOOK | _RELEASE),)
    ),
    "ship_slow": Token(faults=(Fault(kind=Kind.DELAY, operations=_BOOK),), most=LONGEST_DELAY_MS),
    "ship_cancel_flaky": Token(
        faults=(Fault(kind=Kind.FAIL_FIRST, operations=_CANCEL),), most=MOST_FAILURES
    ),
    "ship_cancel_unavailable": Token(
        faults=(Fault(kind=Kind.OUT_UNTIL_RESTORED, operations=_CANCEL),)
    ),
    # + the cancel takes effect and its first reply is lost
    "ship_cancel_lost_reply": Token(
        faults=(Fault(kind=Kind.LOSE_FIRST_REPLY, operations=_CANCEL),)
    ),
    # + refused for good when told to come; the parcel stays booked and can be canceled
    "ship_release_refused": Token(
        faults=(Fault(kind=Kind.REFUSE, operations=_RELEASE, reason="release_refused"),)
    ),
    # +
    "ship_release_unavailable": Token(
        faults=(Fault(kind=Kind.OUT_UNTIL_RESTORED, operations=_RELEASE),)
    ),
    # +
    "ship_release_flaky": Token(
        faults=(Fault(kind=Kind.FAIL_FIRST, operations=_RELEASE),), most=MOST_FAILURES
    ),
}

RESTORABLE: dict[Operation, str] = {
    Operation.CANCEL: "ship_cancel_unavailable",
    Operation.RELEASE: "ship_release_unavailable",
}


def service_faults(service: str | None) -> tuple[Fault, ...]:
    """What a service asks for; a plain name, or none (a tombstone), asks for nothing.

    Raises UnknownTokenError for a `ship_…` that the table does not have.
    """
    if service is None or not service.startswith(PREFIX):
        return ()
    return faults_of(service, TOKENS)
