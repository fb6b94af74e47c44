"""What can be planted into orders that the world outside has moved, and the invariant that must find it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from pydantic import JsonValue

from ordersaga.audit import Books, Ours
from ordersaga.audit.books import BookedSighting
from ordersaga.audit.ours import OurEvent, OurMessage, OurRefund, OurReservation, OurReturnLine
from tests.audit.builder import LONG_AGO, NOW, SKU, WORTH, Scene
from tests.audit.planted import (
    CARD,
    Plant,
    Planted,
    canceled_boleto,
    confirmed,
    edit_order,
    in_carrier_book,
    in_order,
    in_payment,
    in_provider_book,
    refunded_in_part,
    rejected,
    sent_back,
    with_more_events,
)

RESTOCKED = OurReservation(SKU, 2, "restocked", restocked=2)


def unpaid_slip() -> Scene:
    """Nobody paid it in time."""
    scene = Scene(tender=(("boleto", 700),)).held()
    scene.happened("payment.requires_action", payment_id="pay_ord_1_boleto")
    return scene.undone(to="order.canceled")


def slip_paid_late() -> Scene:
    return unpaid_slip().paid_late(700)


def delivered() -> Scene:
    return Scene().delivered()


def one_returned() -> Scene:
    return delivered().returns_one()


def all_returned() -> Scene:
    return one_returned().returns_the_other()


def paid_by_voucher() -> Scene:
    return Scene(tender=(("voucher", 700),)).held().confirmed().requested_refund(100)


def in_refund(**columns: object) -> Plant:
    """Other values in the first refund's row."""

    def edit(refunds: tuple[OurRefund, ...]) -> tuple[OurRefund, ...]:
        return (replace(refunds[0], **columns), *refunds[1:])  # type: ignore[arg-type]

    return edit_order(lambda o: replace(o, refunds=edit(o.refunds)))


def without_refunds() -> Plant:
    return in_order(refunds=())


def in_return(**columns: object) -> Plant:
    """Other values in the first return's row."""
    return edit_order(
        lambda o: replace(o, returns=(replace(o.returns[0], **columns), *o.returns[1:]))  # type: ignore[arg-type]
    )


def event(type_: str, **data: JsonValue) -> OurEvent:
    return OurEvent(99, type_, None, None, None, data, LONG_AGO, LONG_AGO)


def carrier_said(*sightings: BookedSighting) -> Plant:
    return in_carrier_book(sightings=sightings)


def both(first: Plant, second: Plant) -> Plant:
    def plant(ours: Ours, books: Books) -> tuple[Ours, Books]:
        return second(*first(ours, books))

    return plant


def without_last_sighting() -> Plant:
    """And nothing of it in history: it was never heard."""
    return edit_order(
        lambda o: replace(
            o,
            sightings=o.sightings[:-1],
            tracking_status=o.sightings[-2].status,
            events=tuple(e for e in o.events if e.data.get("status") != o.sightings[-1].status),
        )
    )


PLANTED_OUTSIDE: Planted = {
    # Refunds
    "a refund that is done, and not counted": (
        refunded_in_part,
        in_payment(refunded=0),
        "refunds.add_up",
    ),
    "a refund without its row": (refunded_in_part, without_refunds(), "refunds.add_up"),
    "more promised than captured": (
        refunded_in_part,
        in_refund(amount=701),
        "refunds.add_up",
    ),
    "a refund that nobody asked for": (
        lambda: confirmed().refund(CARD, 100, cause="request", request_id="req_1"),
        in_order(),
        "refunds.caused",
    ),
    "a refund of another amount than asked": (
        lambda: (
            confirmed()
            .happened("refund.requested", request="req_1", amount=90)
            .refund(CARD, 100, cause="request", request_id="req_1")
        ),
        in_order(),
        "refunds.caused",
    ),
    "given back whole, and the order stands": (
        refunded_in_part,
        in_refund(cause="reversal", request_id=None),
        "refunds.caused",
    ),
    "goods received, and nothing goes back": (
        one_returned,
        both(without_refunds(), in_payment(refunded=0)),
        "refunds.caused",
    ),
    "late money, and nothing goes back": (
        slip_paid_late,
        both(without_refunds(), in_payment(refunded=0)),
        "refunds.caused",
    ),
    "a refund that history does not know": (
        refunded_in_part,
        edit_order(lambda o: replace(o, events=o.events[:-1], version=o.version - 1)),
        "refunds.told",
    ),
    "a refund that history tells twice": (
        lambda: refunded_in_part().happened(
            "payment.partially_refunded", payment_id=CARD, amount=100, to="payer", refund_id="rfd_1"
        ),
        in_order(),
        "refunds.told",
    ),
    "a refund that never left": (
        refunded_in_part,
        in_provider_book(refunds=()),
        "refunds.booked",
    ),
    "a refund sent twice": (
        refunded_in_part,
        in_provider_book(refunds=(sent_back(100, "ord_1:refund:rfd_1:1:hold"),) * 2),
        "refunds.booked",
    ),
    "store credit for late money never posted": (
        slip_paid_late,
        in_order(ledger_credits={}),
        "refunds.booked",
    ),
    "a voucher's refund never posted": (
        paid_by_voucher,
        in_order(ledger_credits={}),
        "refunds.booked",
    ),
    "sent back by somebody else": (
        confirmed,
        in_provider_book(refunds=(sent_back(100),)),
        "refunds.known",
    ),
    "sent back for a refund that is not there": (
        refunded_in_part,
        in_provider_book(refunds=(sent_back(100, "ord_1:refund:rfd_9:1:hold"),)),
        "refunds.known",
    ),
    "a refund that nobody makes": (
        refunded_in_part,
        in_refund(destination=None),
        "refunds.made",
    ),
    "received, and never settled": (
        one_returned,
        in_return(status="received"),
        "refunds.made",
    ),
    # Money
    "back twice: to the payer and as store credit": (
        canceled_boleto,
        in_provider_book(refunds=(sent_back(1),)),
        "money.back",
    ),
    "more sent back than ever came": (
        refunded_in_part,
        in_provider_book(received=99),
        "money.back",
    ),
    "late money that nobody noticed": (
        unpaid_slip,
        in_provider_book(state="taken", received=700),
        "money.late",
    ),
    "late money that was kept": (
        slip_paid_late,
        in_order(ledger_credits={}),
        "money.late",
    ),
    # Returns
    "more sent back than was bought": (
        one_returned,
        in_return(lines=(OurReturnLine(1, 3, WORTH[0]),)),
        "returns.bought",
    ),
    "units of no line": (
        one_returned,
        in_return(lines=(OurReturnLine(2, 1, WORTH[0]),)),
        "returns.bought",
    ),
    "a return that brings back too much": (
        one_returned,
        in_return(amount=WORTH[0] + 1),
        "returns.worth",
    ),
    "a return that brings back too little": (
        one_returned,
        in_return(amount=WORTH[0] - 1),
        "returns.worth",
    ),
    "tax rounded away": (
        all_returned,
        in_return(amount=WORTH[0] - 1, lines=(OurReturnLine(1, 1, WORTH[0] - 1),)),
        "returns.worth",
    ),
    "received, and not on the shelf": (
        one_returned,
        in_order(reservations=(OurReservation(SKU, 2, "committed"),)),
        "returns.shelved",
    ),
    "restocked twice": (
        one_returned,
        in_order(reservations=(RESTOCKED,)),
        "returns.shelved",
    ),
    "restocked, and history does not know": (
        lambda: Scene().returned_to_sender(),
        edit_order(
            lambda o: replace(o, events=tuple(e for e in o.events if e.type != "stock.restocked"))
        ),
        "returns.shelved",
    ),
    "lost, and on the shelf again": (
        lambda: Scene().lost(),
        in_order(reservations=(RESTOCKED,)),
        "returns.shelved",
    ),
    "returned, and nothing came back": (delivered, in_order(status="returned"), "returns.ended"),
    "all came back, and the order stands": (
        all_returned,
        in_order(status="delivered"),
        "returns.ended",
    ),
    # Parcels on their way
    "a parcel where nobody saw it": (
        delivered,
        in_order(tracking_status="in_transit"),
        "tracking.folded",
    ),
    "an estimate that nobody gave": (delivered, in_order(estimated_at=NOW), "tracking.folded"),
    "seen, and history does not know": (
        delivered,
        edit_order(
            lambda o: replace(o, events=tuple(e for e in o.events if e.type != "tracking.updated"))
        ),
        "tracking.told",
    ),
    "told, and not kept": (
        delivered,
        with_more_events(event("tracking.updated", event_id="msg_x", status="lost")),
        "tracking.told",
    ),
    "on its way, and the order is still confirmed": (
        delivered,
        in_order(status="confirmed"),
        "tracking.followed",
    ),
    "delivered, and the order is still shipped": (
        delivered,
        in_order(status="shipped"),
        "tracking.followed",
    ),
    "lost, and the order stands": (
        lambda: confirmed().seen("in_transit").seen("lost"),
        in_order(),
        "tracking.followed",
    ),
    "sent back after its delivery, and the order stands": (
        lambda: Scene().delivered().seen("return_to_sender"),
        in_order(),
        "tracking.followed",
    ),
    "seen, and its carrier did not say so": (
        delivered,
        carrier_said(),
        "tracking.theirs",
    ),
    "seen otherwise than its carrier said": (
        delivered,
        carrier_said(
            BookedSighting("msg_ord_1_1", "picked_up", LONG_AGO + timedelta(minutes=1)),
            BookedSighting("msg_ord_1_2", "lost", LONG_AGO + timedelta(minutes=2)),
        ),
        "tracking.theirs",
    ),
    "said, and never heard": (
        lambda: confirmed().seen("picked_up").seen("in_transit"),
        without_last_sighting(),
        "tracking.heard",
    ),
    # What comes in, holds
    "a message that nobody was told": (
        confirmed,
        in_order(messages=(OurMessage("payments/stripe", "payment.disputed", LONG_AGO),)),
        "messages.told",
    ),
    "confirmed, and held": (confirmed, in_order(hold={"kind": "operator"}), "holds.lifted"),
    "rejected, and held": (rejected, in_order(hold={"kind": "rule"}), "holds.lifted"),
    # History
    "a hold that history does not know": (
        lambda: Scene().held(),
        in_order(hold={"kind": "operator"}),
        "history.fold",
    ),
    "a return that history does not know": (
        one_returned,
        in_return(status="approved"),
        "history.fold",
    ),
    "a receipt that history does not know": (
        delivered,
        in_order(received_at=NOW),
        "history.fold",
    ),
}
