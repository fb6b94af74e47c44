"""Orders with true histories, and the books that go with them: what violations are planted in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue

from ordersaga.audit.evidence import (
    BookedParcel,
    BookedPayment,
    Books,
    OurAccount,
    OurEvent,
    OurFenceRow,
    OurOrder,
    OurPayment,
    OurReservation,
    Ours,
    OurStock,
    OurTransfer,
)
from ordersaga.history import Happening, OrderState, advance

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=1)
TENANT, SKU, CURRENCY = "demo", "mug", "EUR"


@dataclass
class Scene:
    """An order, told as its events, with the rows that each of them would leave behind."""

    id: str = "ord_1"
    tender: tuple[tuple[str, int], ...] = (("card", 700),)  # method, amount
    carrier: str = "sandbox"
    units: int = 2
    tracking_number: str | None = None
    decision: str | None = None
    events: list[OurEvent] = field(default_factory=list)
    state: OrderState = field(default_factory=OrderState)
    fence: list[OurFenceRow] = field(default_factory=list)
    reservation: str | None = None

    @property
    def payments(self) -> list[tuple[str, str, int]]:
        """(id, method, amount) each; the only card of `ord_1` is `pay_ord_1_card`."""
        return [(f"pay_{self.id}_{method}", method, amount) for method, amount in self.tender]

    def __post_init__(self) -> None:
        listed: list[JsonValue] = [{"id": i, "amount": a} for i, _, a in self.payments]
        self.happened("order.accepted", payments=listed)

    def happened(self, type_: str, **data: JsonValue) -> Scene:
        self.state, fact = advance(self.state, Happening(type_, data), LONG_AGO)
        self.events.append(
            OurEvent(
                sequence=self.state.version,
                type=type_,
                machine=fact.machine,
                from_state=fact.from_state,
                to_state=fact.to_state,
                data=fact.data,
                occurred_at=LONG_AGO,
            )
        )
        return self

    def held(self) -> Scene:
        """Everybody said yes to the first question."""
        self.happened("stock.reserved")
        self.reservation = "reserved"
        self._votes("stock")
        for payment_id, method, _ in self.payments:
            if method != "boleto":
                self.happened("payment.authorized", payment_id=payment_id)
                self._votes(f"payment:{payment_id}")
        self.tracking_number = f"SB-{self.id}" if self.carrier == "sandbox" else None
        self._votes(f"parcel:shp_{self.id}")
        return self.happened("parcel.booked")

    def confirmed(self) -> Scene:
        for payment_id, _, amount in self.payments:
            self.happened("payment.captured", payment_id=payment_id, amount=amount)
        self.decision, self.reservation = "confirm", "committed"
        return self.happened("order.confirmed")

    def undone(self, *, to: str = "order.rejected", refunds_to: str = "source") -> Scene:
        """Decided against, and everything given back."""
        failure: dict[str, JsonValue] = {"participant": "payment", "code": "card_declined"}
        self.decision = "undo"
        self.happened("order.compensating", failure=failure)
        if self.reservation:
            self.happened("stock.released")
            self.reservation = "released"
        for payment in self.state.payments:
            if payment.captured:
                self.happened(
                    "payment.refunded",
                    payment_id=payment.id,
                    amount=payment.captured,
                    to=refunds_to,
                )
            else:
                self.happened("payment.voided", payment_id=payment.id)
        if self.state.fulfillment_status == "booked":
            self.happened("parcel.canceled")
        self.fence += [replace(r, op="undo") for r in self.fence]
        return self.happened(to, failure=failure)

    def reversed(self) -> Scene:
        """Canceled after it was confirmed."""
        failure: dict[str, JsonValue] = {"participant": "customer", "code": "canceled"}
        self.happened("parcel.canceled").happened("order.reversing", failure=failure)
        self.happened("stock.restocked")
        self.reservation = "restocked"
        for payment in self.state.payments:
            self.happened("payment.refunded", payment_id=payment.id, amount=payment.captured)
        return self.happened("order.canceled")

    def order(self) -> OurOrder:
        state = self.state
        methods = {payment_id: method for payment_id, method, _ in self.payments}
        own = [p for p in state.payments if methods[p.id] in ("voucher", "balance")]
        held = sum(p.amount for p in own if p.status == "authorized")
        spent = held + sum(p.captured - p.refunded for p in own)
        order = OurOrder(
            id=self.id,
            tenant=TENANT,
            currency=CURRENCY,
            total=sum(amount for _, _, amount in self.payments),
            status=state.status,
            payment_status=state.payment_status,
            fulfillment_status=state.fulfillment_status,
            version=state.version,
            deadline=NOW + timedelta(days=1),
            updated_at=LONG_AGO,
            carrier=self.carrier,
            shipment_id=f"shp_{self.id}",
            tracking_number=self.tracking_number,
            failure=state.failure,
            attention=state.attention,
            paid_at=state.paid_at,
            confirmed_at=state.confirmed_at,
            shipped_at=state.shipped_at,
            delivered_at=state.delivered_at,
            completed_at=state.completed_at,
            decision=self.decision,
            demand={SKU: self.units},
            payments=tuple(
                OurPayment(
                    id=p.id,
                    method=methods[p.id],
                    amount=p.amount,
                    status=p.status,
                    captured=p.captured,
                    refunded=p.refunded,
                    provider_ref=None if p in own else f"pi_{p.id}",
                    failure_code=p.failure_code,
                )
                for p in state.payments
            ),
            events=tuple(self.events),
            fence=tuple(self.fence),
            ledger_held=held,
            ledger_spendable=-spent,
            reservations=(OurReservation(SKU, self.units, self.reservation),)
            if self.reservation
            else (),
        )
        credited = sum(order.credited.values())
        return replace(order, ledger_spendable=order.ledger_spendable + credited)

    def _votes(self, step: str) -> None:
        self.fence.append(OurFenceRow(step, 1, "hold", "yes"))


def booked_payments(order: OurOrder) -> tuple[BookedPayment, ...]:
    """What an honest provider's books say of this order."""
    states = {"authorized": "held", "requires_action": "payable", "unpaid": "idle"}
    return tuple(
        BookedPayment(
            reference=p.provider_ref,
            order_id=order.id,
            payment_id=p.id,
            state="taken" if p.captured else states.get(p.status, "dead"),  # type: ignore[arg-type]
            currency=order.currency,
            amount=p.amount,
            received=p.captured,
            refunded=p.refunded - order.credited.get(p.id, 0),
        )
        for p in order.payments
        if p.provider_ref is not None
    )


def booked_parcels(order: OurOrder) -> tuple[BookedParcel, ...]:
    """What an honest carrier's books say of this order."""
    if order.tracking_number is None:
        return ()
    state = "canceled" if order.fulfillment_status == "canceled" else "booked"
    key = f"{order.id}:parcel:{order.shipment_id}:1"
    return (BookedParcel(key, order.tracking_number, state, is_live=state != "canceled"),)


def shelf(orders: Sequence[OurOrder]) -> OurStock:
    reserved = sum(r.quantity for o in orders for r in o.reservations if r.state == "reserved")
    return OurStock(TENANT, SKU, 50 + reserved, 50, reserved, reserved)


def clean(*orders: OurOrder) -> tuple[Ours, Books]:
    """These orders in tables and books that agree."""
    ours = Ours(
        read_at=NOW,
        orders=orders,
        stock=(shelf(orders),),
        accounts=(OurAccount(TENANT, "voucher", "GIFT", CURRENCY, 300, 300),),
        transfers=(OurTransfer("issue:GIFT", CURRENCY, 0),),
    )
    books = Books(
        payments=tuple(b for o in orders for b in booked_payments(o)),
        parcels=tuple(b for o in orders for b in booked_parcels(o)),
    )
    return ours, books
