"""The table: points × faults, and where a fault cannot happen, why. Data alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from tests.saga.shop import Json, card, payment

Link = Literal["provider", "carrier"]
Ends = tuple[str, str | None]  # status, failure code

CONFIRMED: Final[Ends] = ("confirmed", None)
CANCELED: Final[Ends] = ("canceled", "canceled")
COMPLETED: Final[Ends] = ("completed", None)
RETURNED: Final[Ends] = ("returned", None)
DECLINED: Final[Ends] = ("rejected", "capture_declined")
UNSHIPPABLE: Final[Ends] = ("rejected", "shipping_refused")

FIRST: Final = 400  # of two payments; the order's total is 1000

CARD: Final = (card(),)
WALLET: Final = (payment("alipay"),)
PAGE: Final = (card("tok_requires_action"),)  # of the payer's bank
PAGE_AND_DECLINED: Final = (card("tok_requires_action", FIRST), card("tok_capture_declined"))
CARD_AND_DECLINED: Final = (card("tok_ok", FIRST), card("tok_capture_declined"))
WALLET_AND_DECLINED: Final = (payment("alipay", "tok_ok", FIRST), card("tok_capture_declined"))


@dataclass(frozen=True, kw_only=True)
class Point:
    """A place where an order can be hit.

    `posted`: a request to the API. `heard`: a message from outside. `own`: a transaction of our own
    site, run by `activity`. `remote`: an `activity` that calls a provider or a carrier, then writes down
    the answer. `marker`: what the transaction says that makes it stand. `call`: what is in the request
    that has the effect. `life`: what others do before it: its payer, or, once it is confirmed, a carrier
    and its buyer. `booked_once`: what must have happened before the carrier is asked, whose refusal
    might overtake it.
    """

    name: str
    family: Literal["posted", "heard", "own", "remote"]
    life: Literal["", "paid", "delivered", "returned"] = ""
    activity: str = ""
    marker: str = ""
    link: Link = "provider"
    call: tuple[str, ...] = ()
    payments: tuple[Json, ...] = CARD
    doomed: tuple[Json, ...] = CARD_AND_DECLINED  # the same, but the order is undone afterwards
    amount: int = 0  # of the one payment that is hit; 0: there is only one
    service: str = "standard"
    booked_once: str = ""
    canceled_later: bool = False  # the buyer changes his mind once the order is confirmed
    ends: Ends = CONFIRMED


@dataclass(frozen=True)
class Fault:
    """`kills`: what is killed while orders wait at `moment` of their point; together for all of them."""

    name: str
    says: str
    kills: Literal["", "workers", "temporal", "postgres"] = ""
    moment: Literal["", "before", "between", "after"] = ""


POINTS: Final = (
    Point(name="accept", family="posted"),
    Point(name="local_hold", family="own", activity="hold_own_site", marker="stock.reserved"),
    Point(
        name="authorise",
        family="remote",
        activity="authorize_payment",
        marker="payment.authorized",
        call=("POST ", "/confirm "),
    ),
    Point(
        name="book",
        family="remote",
        activity="book_parcel",
        marker="parcel.booked",
        link="carrier",
        call=("PUT /parcels/",),
    ),
    Point(
        name="charge",
        family="remote",
        activity="charge_payment",
        marker="payment.captured",
        call=("POST ", "/confirm "),
        payments=WALLET,
        doomed=WALLET_AND_DECLINED,
    ),
    Point(
        name="check",
        family="remote",
        activity="check_payment",
        marker="payment.authorized",
        call=("GET ", "/v1/payment_intents/"),
        payments=PAGE,
        doomed=PAGE_AND_DECLINED,
        life="paid",
    ),
    Point(
        name="capture",
        family="remote",
        activity="capture_payment",
        marker="payment.captured",
        call=("POST ", "/capture "),
    ),
    Point(name="decide", family="own", activity="decide_order", marker="order.confirmed"),
    Point(
        name="release",
        family="remote",
        activity="release_parcel",
        marker="parcel.released",
        link="carrier",
        call=("POST /parcels/", "/release "),
        doomed=CARD,
    ),
    Point(
        name="undo_payment_held",
        family="remote",
        activity="undo_payment",
        marker="payment.voided",
        call=("POST ", "/cancel "),
        service="ship_refused",
        booked_once="payment.authorized",
        ends=UNSHIPPABLE,
    ),
    Point(
        name="undo_payment_taken",
        family="remote",
        activity="undo_payment",
        marker="payment.refunded",
        call=("POST /v1/refunds ",),
        payments=CARD_AND_DECLINED,
        amount=FIRST,
        ends=DECLINED,
    ),
    Point(
        name="cancel_parcel",
        family="remote",
        activity="cancel_parcel",
        marker="parcel.canceled",
        link="carrier",
        call=("POST /parcels/", "/cancel "),
        payments=(card("tok_capture_declined"),),
        ends=DECLINED,
    ),
    Point(
        name="close",
        family="own",
        activity="close_order",
        marker="order.rejected",
        payments=CARD_AND_DECLINED,
        ends=DECLINED,
    ),
    Point(
        name="refund",
        family="remote",
        activity="refund_payment",
        marker="payment.refunded",
        call=("POST /v1/refunds ",),
        canceled_later=True,
        ends=CANCELED,
    ),
    Point(
        name="restock",
        family="own",
        activity="reverse_own_site",
        marker="stock.restocked",
        canceled_later=True,
        ends=CANCELED,
    ),
    Point(
        name="outbox",  # of the decision to undo; `decide` is the one to confirm
        family="own",
        activity="decide_order",
        marker="order.compensating",
        payments=CARD_AND_DECLINED,
        ends=DECLINED,
    ),
    Point(name="cancel", family="posted", canceled_later=True, ends=CANCELED),
    Point(name="hear", family="heard", life="delivered", ends=COMPLETED),
    Point(
        name="follow",
        family="own",
        activity="follow_parcel",
        marker="order.delivered",
        life="delivered",
        ends=COMPLETED,
    ),
    Point(name="receive", family="posted", life="returned", ends=RETURNED),
    Point(
        name="refund_return",
        family="remote",
        activity="refund_payment",
        marker="payment.refunded",
        call=("POST /v1/refunds ",),
        life="returned",
        ends=RETURNED,
    ),
    Point(
        name="settle_return",
        family="own",
        activity="settle_return",
        marker="return.refunded",
        life="returned",
        ends=RETURNED,
    ),
)

FAULTS: Final = (
    Fault("error_before_effect", "it fails twice before anything happens"),
    Fault("lost_reply", "it happens, and the answer is lost"),
    Fault("time_out", "it happens, and no answer comes for longer than anybody waits"),
    Fault("duplicate", "it runs twice at once, and once more when all is over"),
    Fault("late_after_undo", "it happened and was undone; then it arrives once more"),
    Fault("undo_before_action", "it had not happened when it was undone; then it arrives"),
    Fault("worker_killed_before_effect", "SIGKILL before it", "workers", "before"),
    Fault("worker_killed_before_commit", "SIGKILL between effect and COMMIT", "workers", "between"),
    Fault("worker_killed_after_commit", "SIGKILL before anybody is told", "workers", "after"),
    Fault("temporal_killed", "it happens while the engine is dead", "temporal", "before"),
    Fault("postgres_killed", "SIGKILL between effect and COMMIT", "postgres", "between"),
    Fault("dropped_at_commit", "the line is cut before the COMMIT, then once more after it"),
    Fault("slow", "it takes long, but not too long"),
    Fault("poison", "what comes makes no sense: garbage, nothing, somebody else's"),
)

_NO_UNDO: Final = "It takes something back itself: nothing ever undoes it, so nothing comes after."
_SEEN: Final = (
    "What a carrier has seen is not taken back by anybody: it is kept, whatever it leads to."
)
_NO_PAYLOAD: Final = (
    "Its only input is an order's id from our own workflow, its only answer our own transaction's: "
    "there is nobody to send it nonsense."
)

NOT_APPLICABLE: Final[dict[tuple[str, str], str]] = {
    **{
        (point, fault): _NO_UNDO
        for point in (
            "undo_payment_held",
            "undo_payment_taken",
            "cancel_parcel",
            "close",
            "refund",
            "restock",
            "receive",
            "refund_return",
            "settle_return",
        )
        for fault in ("late_after_undo", "undo_before_action")
    },
    **{
        (point, "poison"): _NO_PAYLOAD
        for point in ("local_hold", "decide", "close", "restock", "outbox", "settle_return")
    },
    ("hear", "worker_killed_before_commit"): "It is kept by one statement: nothing lies between.",
    ("follow", "late_after_undo"): _SEEN,
    ("follow", "poison"): "What comes in is checked where it is heard; see that point.",
    ("receive", "poison"): "It has no body, and its path is another point's.",
    ("accept", "undo_before_action"): "Nobody can undo an order whose id nobody knows yet.",
    ("decide", "late_after_undo"): "One row, written once: a decided `confirm` is never undone.",
    ("cancel", "undo_before_action"): "A cancel is taken back by nobody; it is refused or done.",
    ("outbox", "late_after_undo"): "A row that says what happened is never taken back.",
    ("outbox", "undo_before_action"): "A row that says what happened is never taken back.",
}


@dataclass(frozen=True)
class Cell:
    """One fault at one point."""

    point: Point
    fault: Fault

    @property
    def name(self) -> str:
        return f"{self.point.name}-{self.fault.name}"

    @property
    def reason_why_not(self) -> str | None:
        return NOT_APPLICABLE.get((self.point.name, self.fault.name))


CELLS: Final = tuple(Cell(point, fault) for point in POINTS for fault in FAULTS)
