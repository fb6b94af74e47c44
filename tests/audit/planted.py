"""What can be planted into orders that are right, and the invariant that must find it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from ordersaga.audit import Books, Ours
from ordersaga.audit.books import BookedParcel, BookedPayment, BookedRefund
from ordersaga.audit.ours import (
    OurAccount,
    OurEvent,
    OurOrder,
    OurRequest,
    OurReservation,
    OurTransfer,
)
from tests.audit.builder import CURRENCY, LONG_AGO, NOW, SKU, TENANT, Scene

CARD = "pay_ord_1_card"
Plant = Callable[[Ours, Books], tuple[Ours, Books]]


def confirmed() -> Scene:
    return Scene().held().confirmed()


def split_tender() -> Scene:
    return Scene(tender=(("card", 500), ("voucher", 200)))


def rejected() -> Scene:
    return Scene().held().undone()


def canceled_boleto() -> Scene:
    scene = Scene(tender=(("boleto", 700),)).held()
    scene.happened("payment.requires_action", payment_id="pay_ord_1_boleto")
    scene.happened("payment.captured", payment_id="pay_ord_1_boleto", amount=700)
    return scene.undone(to="order.canceled", refunds_to="store_credit")


def refunded_in_part() -> Scene:
    return confirmed().requested_refund(100)


def voucher_held() -> Scene:
    return Scene(tender=(("voucher", 700),)).held()


def in_order(**columns: object) -> Plant:
    """Other values in the order's own row."""
    return edit_order(lambda order: replace(order, **columns))  # type: ignore[arg-type]


def in_payment(position: int = 0, **columns: object) -> Plant:
    def edit(order: OurOrder) -> OurOrder:
        payments = list(order.payments)
        payments[position] = replace(payments[position], **columns)  # type: ignore[arg-type]
        return replace(order, payments=tuple(payments))

    return edit_order(edit)


def in_provider_book(**columns: object) -> Plant:
    def plant(ours: Ours, books: Books) -> tuple[Ours, Books]:
        first, *rest = books.payments
        changed = replace(first, **columns)  # type: ignore[arg-type]
        return ours, replace(books, payments=(changed, *rest))

    return plant


def sent_back(amount: int, key: str | None = None) -> BookedRefund:
    """Of the only payment, by the provider's books. No `key`: nobody of us asked for it."""
    return BookedRefund("re_x", f"pi_{CARD}", amount, key)


def in_carrier_book(**columns: object) -> Plant:
    def plant(ours: Ours, books: Books) -> tuple[Ours, Books]:
        changed = replace(books.parcels[0], **columns)  # type: ignore[arg-type]
        return ours, replace(books, parcels=(changed,))

    return plant


def in_stock(**columns: int) -> Plant:
    def plant(ours: Ours, books: Books) -> tuple[Ours, Books]:
        return replace(ours, stock=(replace(ours.stock[0], **columns),)), books  # type: ignore[arg-type]

    return plant


def booked_besides(payment: BookedPayment) -> Plant:
    return lambda ours, books: (ours, replace(books, payments=(*books.payments, payment)))


def parcel_besides(parcel: BookedParcel) -> Plant:
    return lambda ours, books: (ours, replace(books, parcels=(*books.parcels, parcel)))


def without_event(sequence: int) -> Plant:
    return edit_order(
        lambda o: replace(o, events=tuple(e for e in o.events if e.sequence != sequence))
    )


def with_event(sequence: int, **columns: object) -> Plant:
    def edit(order: OurOrder) -> OurOrder:
        events = [
            replace(e, **columns) if e.sequence == sequence else e  # type: ignore[arg-type]
            for e in order.events
        ]
        return replace(order, events=tuple(events))

    return edit_order(edit)


def with_more_events(*events: OurEvent) -> Plant:
    return edit_order(
        lambda o: replace(o, events=o.events + events, version=o.version + len(events))
    )


def edit_order(edit: Callable[[OurOrder], OurOrder]) -> Plant:
    return lambda ours, books: (replace(ours, orders=tuple(map(edit, ours.orders))), books)


def money(state: str, **columns: object) -> BookedPayment:
    """A payment in the provider's books that our tables do not have."""
    unknown = BookedPayment("pi_x", "ord_1", CARD, state, CURRENCY, 700, 0)  # type: ignore[arg-type]
    return replace(unknown, **columns)  # type: ignore[arg-type]


def kept_hold(step: str) -> Plant:
    """The undo row of a step is gone."""
    return edit_order(
        lambda o: replace(
            o, fence=tuple(r for r in o.fence if not (r.step == step and r.op == "undo"))
        )
    )


PARCEL = BookedParcel("ord_1:parcel:shp_x:1", "SB-x", "booked", is_live=True)
ILLEGAL = OurEvent(99, "order.completed", "status", "rejected", "completed", {}, LONG_AGO, LONG_AGO)
UNREADABLE = OurEvent(99, "payment.captured", None, None, None, {}, LONG_AGO, LONG_AGO)

# What is planted, into which order, and the invariant that must find it.
Planted = dict[str, tuple[Callable[[], Scene], Plant, str]]
PLANTED: Planted = {
    "more refunded than captured": (confirmed, in_payment(refunded=701), "money.bounds"),
    "more captured than asked": (confirmed, in_payment(captured=800), "money.bounds"),
    "confirmed on too little money": (confirmed, in_order(total=800), "money.paid_in_full"),
    "confirmed, and refunded without a word": (
        confirmed,
        in_payment(refunded=100),
        "money.paid_in_full",
    ),
    "rejected, and the money kept": (
        rejected,
        in_payment(captured=700, status="captured"),
        "money.given_back",
    ),
    "rejected, and still held by our tables": (
        rejected,
        in_payment(status="authorized"),
        "money.given_back",
    ),
    "captured by us, not by the provider": (
        confirmed,
        in_provider_book(received=0),
        "money.booked",
    ),
    "refunded by the provider, not by us": (
        confirmed,
        in_provider_book(refunds=(sent_back(1),)),
        "money.booked",
    ),
    "not refunded by the provider": (
        lambda: confirmed().reversed(),
        in_provider_book(refunds=()),
        "money.booked",
    ),
    "refunded, though it went to store credit": (
        canceled_boleto,
        in_provider_book(refunds=(sent_back(700),)),
        "money.booked",
    ),
    "in another currency": (confirmed, in_provider_book(currency="USD"), "money.booked"),
    "captured, and unknown to the provider": (
        confirmed,
        lambda ours, _: (ours, Books()),
        "money.booked",
    ),
    "taken for an order nobody knows": (
        confirmed,
        booked_besides(money("taken", received=700, order_id="ord_x")),
        "money.known",
    ),
    "held for nobody": (
        confirmed,
        booked_besides(money("held", order_id=None, payment_id=None)),
        "money.known",
    ),
    "held for a payment nobody knows": (
        confirmed,
        booked_besides(money("held", payment_id="pay_x")),
        "money.known",
    ),
    "charged twice": (confirmed, booked_besides(money("taken", received=700)), "money.known"),
    "another amount at the provider": (confirmed, in_provider_book(amount=900), "money.known"),
    "rejected, and still held": (rejected, in_provider_book(state="held"), "money.closed"),
    "rejected, and still payable": (rejected, in_provider_book(state="payable"), "money.closed"),
    "rejected, and could be asked again": (
        rejected,
        in_provider_book(state="idle"),
        "money.closed",
    ),
    "a transfer of one side": (
        confirmed,
        lambda ours, books: (
            replace(ours, transfers=(OurTransfer("issue:GIFT", CURRENCY, 5),)),
            books,
        ),
        "ledger.transfers",
    ),
    "a balance without entries": (
        confirmed,
        lambda ours, books: (
            replace(ours, accounts=(OurAccount(TENANT, "voucher", "GIFT", CURRENCY, 300, 200),)),
            books,
        ),
        "ledger.balances",
    ),
    "an overdrawn account": (
        confirmed,
        lambda ours, books: (
            replace(ours, accounts=(OurAccount(TENANT, "credit", "c-1", CURRENCY, -5, -5),)),
            books,
        ),
        "ledger.balances",
    ),
    "a voucher spent for nothing": (
        lambda: split_tender().held().undone(),
        in_order(ledger_spendable=-200),
        "ledger.orders",
    ),
    "a voucher not spent": (
        lambda: split_tender().held().confirmed(),
        in_order(ledger_spendable=0),
        "ledger.orders",
    ),
    "store credit never issued": (canceled_boleto, in_order(ledger_spendable=0), "ledger.orders"),
    "held for a rejected order": (
        lambda: split_tender().held().undone(),
        in_order(ledger_held=200),
        "ledger.held",
    ),
    "a shelf that does not add up": (confirmed, in_stock(on_hand=51), "stock.adds_up"),
    "reserved by nobody": (confirmed, in_stock(reserved=2, on_hand=52), "stock.reserved"),
    "reserved, and not on the shelf": (
        confirmed,
        in_stock(open_reservations=2),
        "stock.reserved",
    ),
    "confirmed without its goods": (confirmed, in_order(reservations=()), "stock.sold_once"),
    "confirmed, its goods released": (
        confirmed,
        in_order(reservations=(OurReservation(SKU, 2, "released"),)),
        "stock.sold_once",
    ),
    "confirmed with fewer goods": (
        confirmed,
        in_order(reservations=(OurReservation(SKU, 1, "committed"),)),
        "stock.sold_once",
    ),
    "rejected with its goods": (
        rejected,
        in_order(reservations=(OurReservation(SKU, 2, "committed"),)),
        "stock.sold_once",
    ),
    "canceled later, goods not put back": (
        lambda: confirmed().reversed(),
        in_order(reservations=(OurReservation(SKU, 2, "committed"),)),
        "stock.sold_once",
    ),
    "goods nobody ordered": (
        confirmed,
        in_order(
            reservations=(OurReservation(SKU, 2, "committed"), OurReservation("x", 1, "committed"))
        ),
        "stock.sold_once",
    ),
    "confirmed without a parcel": (
        confirmed,
        in_order(fulfillment_status="canceled"),
        "parcels.booked",
    ),
    "rejected with a parcel": (rejected, in_order(fulfillment_status="booked"), "parcels.booked"),
    "booked, and canceled at the carrier": (
        confirmed,
        in_carrier_book(state="canceled", is_live=False),
        "parcels.ours",
    ),
    "booked under another number": (confirmed, in_order(tracking_number="SB-z"), "parcels.ours"),
    "rejected, and the carrier comes": (
        rejected,
        in_carrier_book(state="released", is_live=True),
        "parcels.theirs",
    ),
    "a second parcel": (confirmed, parcel_besides(PARCEL), "parcels.theirs"),
    "a parcel of nobody": (
        confirmed,
        parcel_besides(replace(PARCEL, key="ord_x:parcel:shp_x:1")),
        "parcels.theirs",
    ),
    "a history without its beginning": (confirmed, without_event(1), "history.accepted"),
    "a gap in history": (confirmed, without_event(2), "history.gapless"),
    "a version ahead of history": (confirmed, in_order(version=99), "history.gapless"),
    "an illegal move": (rejected, with_more_events(ILLEGAL), "history.fold"),
    "an event that says nothing": (confirmed, with_more_events(UNREADABLE), "history.fold"),
    "a move written wrong": (confirmed, with_event(4, to_state="shipped"), "history.fold"),
    "a status that history does not know": (confirmed, in_order(status="shipped"), "history.fold"),
    "sums that history does not know": (confirmed, in_payment(captured=699), "history.fold"),
    "an attention that history does not know": (
        confirmed,
        in_order(attention={"step": "stock"}),
        "history.fold",
    ),
    "confirmed, decided undo": (confirmed, in_order(decision="undo"), "decision.kept"),
    "confirmed, not decided": (confirmed, in_order(decision=None), "decision.kept"),
    "rejected, decided confirm": (rejected, in_order(decision="confirm"), "decision.kept"),
    "pending, decided": (voucher_held, in_order(decision="confirm"), "decision.kept"),
    "rejected without a reason": (rejected, in_order(failure=None), "decision.reasoned"),
    "stock never undone": (rejected, kept_hold("stock"), "fence.undone"),
    "a voucher never undone": (
        lambda: split_tender().held().undone(),
        kept_hold("payment:pay_ord_1_voucher"),
        "fence.undone",
    ),
    "forgotten while pending": (voucher_held, in_order(), "orders.ended"),
    "a deadline that nobody kept": (
        lambda: (
            Scene(tender=(("boleto", 700),))
            .held()
            .happened("payment.requires_action", payment_id="pay_ord_1_boleto")
        ),
        in_order(deadline=NOW - timedelta(minutes=5)),
        "orders.ended",
    ),
    "a cancel that nobody answered": (
        confirmed,
        in_order(requests=(OurRequest("cancel", LONG_AGO),)),
        "requests.answered",
    ),
}
