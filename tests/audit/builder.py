"""Orders with true histories: what violations are planted in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue

from ordersaga import tracking
from ordersaga.audit.ours import (
    REFUNDS,
    OurEvent,
    OurFenceRow,
    OurLine,
    OurOrder,
    OurOutboxRow,
    OurPayment,
    OurRefund,
    OurReservation,
    OurReturn,
    OurReturnLine,
    amount_of,
)
from ordersaga.history import Happening, OrderState, advance
from ordersaga.lifecycle import ReturnStatus
from ordersaga.tracking import Sighting

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=1)
TENANT, SKU, CURRENCY = "demo", "mug", "EUR"
TOTAL = 700
UNIT_PRICE, TAX = 300, 51  # of two units; what is left of the total is the shipping fee
FEE = TOTAL - 2 * UNIT_PRICE - TAX
WORTH = (UNIT_PRICE + 25, UNIT_PRICE + 26)  # of the first unit that comes back, and of the second


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
    refunds: list[OurRefund] = field(default_factory=list)
    returns: list[OurReturn] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)
    restocked: int = 0

    @property
    def payments(self) -> list[tuple[str, str, int]]:
        """(id, method, amount) each; the only card of `ord_1` is `pay_ord_1_card`."""
        return [(f"pay_{self.id}_{method}", method, amount) for method, amount in self.tender]

    def __post_init__(self) -> None:
        listed: list[JsonValue] = [{"id": i, "amount": a} for i, _, a in self.payments]
        self.happened("order.accepted", payments=listed)

    def happened(self, type_: str, **data: JsonValue) -> Scene:
        return self.happened_at(LONG_AGO, type_, **data)

    def happened_at(self, at: datetime, type_: str, **data: JsonValue) -> Scene:
        self.state, fact = advance(self.state, Happening(type_, data), at)
        self.events.append(
            OurEvent(
                sequence=self.state.version,
                type=type_,
                machine=fact.machine,
                from_state=fact.from_state,
                to_state=fact.to_state,
                data=fact.data,
                occurred_at=at,
                recorded_at=LONG_AGO,
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
        self.happened("parcel.canceled")
        return self._given_back("canceled", ends="order.canceled")

    def _given_back(self, why: str, *, ends: str, is_lost: bool = False) -> Scene:
        self.happened("order.reversing", failure={"participant": "parcel", "code": why})
        for payment in self.state.payments:
            self.refund(payment.id, payment.captured - payment.refunded, cause="reversal")
        if not is_lost:
            self.restock(self.units - self.restocked)
        return self.happened(ends)

    def restock(self, units: int) -> Scene:
        self.restocked += units
        if self.restocked == self.units:
            self.reservation = "restocked"
        return self.happened("stock.restocked", lines=[{"sku": SKU, "quantity": units}])

    def refund(
        self,
        payment_id: str,
        amount: int,
        *,
        cause: str,
        return_id: str | None = None,
        request_id: str | None = None,
    ) -> Scene:
        """So much of a payment goes back, to where its method says."""
        method = next(method for name, method, _ in self.payments if name == payment_id)
        to = {"voucher": "voucher", "balance": "credit", "boleto": "store_credit"}.get(
            method, "payer"
        )
        refund_id = f"rfd_{len(self.refunds) + 1}"
        self.refunds.append(
            OurRefund(refund_id, payment_id, amount, cause, return_id, request_id, to, LONG_AGO)
        )
        payment = self.state.payment(payment_id)
        is_all = payment.refunded + amount == payment.captured
        return self.happened(
            "payment.refunded" if is_all else "payment.partially_refunded",
            payment_id=payment_id,
            amount=amount,
            to=to,
            refund_id=refund_id,
        )

    def requested_refund(self, amount: int) -> Scene:
        """An operator gives some of the first payment back."""
        self.happened("refund.requested", request="req_1", amount=amount)
        return self.refund(self.payments[0][0], amount, cause="request", request_id="req_1")

    def paid_late(self, amount: int) -> Scene:
        """Money of the first payment comes when the order is over, and goes back."""
        payment_id = self.payments[0][0]
        self.happened("payment.captured", payment_id=payment_id, amount=amount, late=True)
        return self.refund(payment_id, amount, cause="late")

    # --- Its parcel ------------------------------------------------------------------------------

    def seen(self, status: str) -> Scene:
        """Its carrier says so, a minute after what it said before; the order follows."""
        number = len(self.sightings) + 1
        at = LONG_AGO + timedelta(minutes=number)
        self.sightings.append(Sighting(f"msg_{self.id}_{number}", status, at))
        self.happened_at(at, "tracking.updated", event_id=f"msg_{self.id}_{number}", status=status)
        parcel = tracking.fold(self.sightings)
        if parcel.is_handed_over and self.state.status == "confirmed":
            self.happened("parcel.shipped").happened("order.shipped")
        if parcel.is_delivered and self.state.status == "shipped":
            self.happened("parcel.delivered").happened("order.delivered")
        return self

    def delivered(self) -> Scene:
        return self.held().confirmed().seen("picked_up").seen("delivered")

    def lost(self) -> Scene:
        self.held().confirmed().seen("in_transit").seen("lost").happened("parcel.returned")
        return self._given_back("parcel_lost", ends="order.returned", is_lost=True)

    def returned_to_sender(self) -> Scene:
        self.held().confirmed().seen("picked_up").seen("return_to_sender").happened(
            "parcel.returned"
        )
        return self._given_back("returned_to_sender", ends="order.returned")

    # --- Its returns -----------------------------------------------------------------------------

    def asks_to_return(self, units: int, amount: int) -> str:
        return_id = f"ret_{len(self.returns) + 1}"
        lines = (OurReturnLine(1, units, amount),)
        self.returns.append(OurReturn(return_id, "requested", amount, LONG_AGO, lines))
        self.happened("return.requested", return_id=return_id, amount=amount)
        return return_id

    def receives(self, return_id: str, *, fee: int = 0) -> Scene:
        (return_,) = (r for r in self.returns if r.id == return_id)
        (line,) = return_.lines
        self._move_return("approved", return_id)
        self._move_return("received", return_id, amount=line.amount + fee)
        return self.restock(line.quantity)

    def settles(self, return_id: str) -> Scene:
        (return_,) = (r for r in self.returns if r.id == return_id)
        first = self.payments[0][0]
        self.refund(first, return_.amount, cause="return", return_id=return_id)
        return self._move_return("refunded", return_id)

    def returns_one(self) -> Scene:
        return_id = self.asks_to_return(1, WORTH[0])
        return self.receives(return_id).settles(return_id)

    def returns_the_other(self) -> Scene:
        return_id = self.asks_to_return(1, WORTH[1])
        self.receives(return_id, fee=FEE).settles(return_id)
        return self.happened("order.returned")

    def _move_return(self, to: str, return_id: str, **changes: int) -> Scene:
        self.happened(f"return.{to}", return_id=return_id)
        self.returns = [
            replace(r, status=ReturnStatus(to), **changes) if r.id == return_id else r  # type: ignore[arg-type]
            for r in self.returns
        ]
        return self

    # --- As the audit sees it ---------------------------------------------------------------------

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
            shipping_fee=FEE,
            carrier=self.carrier,
            shipment_id=f"shp_{self.id}",
            tracking_number=self.tracking_number,
            tracking_status=tracking.fold(self.sightings).status,
            failure=state.failure,
            attention=state.attention,
            hold=state.hold,
            paid_at=state.paid_at,
            confirmed_at=state.confirmed_at,
            shipped_at=state.shipped_at,
            delivered_at=state.delivered_at,
            received_at=state.received_at,
            completed_at=state.completed_at,
            decision=self.decision,
            lines=(OurLine(1, SKU, self.units, UNIT_PRICE, TAX),),
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
            outbox=tuple(OurOutboxRow(e.sequence, LONG_AGO, e.sequence) for e in self.events),
            fence=tuple(self.fence),
            refunds=tuple(self.refunds),
            returns=tuple(self.returns),
            sightings=tuple(self.sightings),
            ledger_held=held,
            ledger_spendable=-spent,
            ledger_credits=self._ledger_credits(),
            reservations=(
                OurReservation(SKU, self.units, self.reservation, restocked=self.restocked),
            )
            if self.reservation
            else (),
        )
        credited = sum(order.credited.values())
        return replace(order, ledger_spendable=order.ledger_spendable + credited)

    def _ledger_credits(self) -> dict[str, int]:
        """What the transfers of its refunds, and of its undos to store credit, brought."""
        credits = {
            f"{self.id}:refund:{r.id}:1:{'credit' if r.destination == 'store_credit' else 'refund'}": (
                r.amount
            )
            for r in self.refunds
            if r.destination != "payer"
        }
        for event in self.events:
            is_credit = event.type in REFUNDS and event.data.get("to") == "store_credit"
            if is_credit and "refund_id" not in event.data:
                step = f"payment:{event.data['payment_id']}"
                credits[f"{self.id}:{step}:1:credit"] = amount_of(event)
        return credits

    def _votes(self, step: str) -> None:
        self.fence.append(OurFenceRow(step, 1, "hold", "yes"))
