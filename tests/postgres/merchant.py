"""A tenant on our own site: stocks, issues, takes orders, and plays what a workflow would call."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from adapters.postgres.accounts import issue_credit, issue_voucher
from adapters.postgres.catalog import StoredStock, read_stock, set_stock
from adapters.postgres.history import LockedOrder, lock_order, record
from adapters.postgres.orders import accept_order
from adapters.postgres.own_site import PostgresOwnSite
from adapters.postgres.pool import Pool, transaction
from adapters.postgres.records import PostgresRecords
from adapters.postgres.requests import store_cancel
from adapters.postgres.returns import NewReturn, store_return, store_return_move
from ordersaga import keys
from ordersaga.history import Happening
from ordersaga.keys import Step, new_id
from ordersaga.messages import CarrierNews
from ordersaga.order import (
    CANCEL_ASKED,
    MERCHANT,
    SANDBOX,
    Decision,
    Followed,
    Hold,
    Line,
    NewOrder,
    NewPayment,
    OrderRequest,
    Parcel,
    PaymentPlan,
    RefundPlan,
    Refusal,
    Standing,
    Vote,
)
from ordersaga.ports import Booking, Destination, MoneyState, ProviderPayment

CURRENCY = "BRL"
CUSTOMER = "c-1"
RETURN_WINDOW_S = 30 * 24 * 3600
ALWAYS_S = 100 * 365 * 24 * 3600  # parcels here were delivered long ago
PAYER_PATIENCE_S = 7 * 24 * 3600  # longer than any method's own

DECLINED = Refusal("payment", "card_declined", "Your card was declined.")
CHANGED_MIND = CANCEL_ASKED

FIRST_SEEN_AT = datetime(2026, 1, 1, tzinfo=UTC)

_references = itertools.count(1)


def payment(method: str, amount: int, token: str | None = None) -> NewPayment:
    return NewPayment(PaymentPlan(new_id("pay"), method, amount), token)


def voucher(code: str, amount: int) -> NewPayment:
    return payment("voucher", amount, code)


def balance(amount: int) -> NewPayment:
    return payment("balance", amount)


def card(amount: int) -> NewPayment:
    return payment("card", amount, "tok_ok")


def new_reference() -> str:
    """A provider's name for a payment."""
    return f"pi_{next(_references)}_{uuid.uuid4().hex[:8]}"


def answer(
    state: MoneyState,
    asked: NewPayment,
    *,
    captured: int | None = None,
    refusal: Refusal | None = None,
    reference: str = "pi_1",
) -> ProviderPayment:
    """What a provider says of a payment. Taken: all of it, unless `captured` says otherwise."""
    taken = asked.plan.amount if state == "taken" else 0
    return ProviderPayment(
        reference=reference,
        state=state,
        amount=asked.plan.amount,
        captured=taken if captured is None else captured,
        refusal=refusal,
    )


def sighting(
    order: NewOrder, status: str, hour: int = 0, event_id: str | None = None
) -> CarrierNews:
    """Of the parcel of a `sent_order`."""
    return CarrierNews(
        event_id=event_id or f"{status} at {hour}",
        status=status,
        occurred_at=FIRST_SEEN_AT + timedelta(hours=hour),
        tracking_number=f"T-{order.id}",
        location="Av. Paulista, 1000",
        detail="left with Ana's neighbour",
    )


def step_of(order: NewOrder, asked: NewPayment) -> Step:
    return Step(order.id, asked.plan.step)


def parcel_of(order: NewOrder) -> Step:
    return Step(order.id, order.parcel.step)


@dataclass
class Merchant:
    """Alone with its stock, its vouchers and its orders."""

    pool: Pool
    tenant: str = field(default_factory=lambda: f"t-{uuid.uuid4().hex[:12]}")
    stocked: dict[str, int] = field(default_factory=dict)  # SKU → units that were ever put there

    def __post_init__(self) -> None:
        self.own_site = PostgresOwnSite(self.pool)
        self.records = PostgresRecords(self.pool, payer_patience_s=PAYER_PATIENCE_S)

    # --- What there is to sell and to pay with -------------------------------------------------

    async def put_stock(self, **on_hand: int) -> None:
        async with transaction(self.pool) as connection:
            await set_stock(connection, tenant=self.tenant, on_hand=on_hand)
        self.stocked |= on_hand

    async def stock(self, sku: str) -> tuple[int, int, int]:
        """(on hand, available, reserved)"""
        async with transaction(self.pool) as connection:
            rows = await read_stock(connection, tenant=self.tenant, skus=[sku])
        stored: StoredStock = rows[0]
        return stored.on_hand, stored.available, stored.reserved

    async def put_voucher(self, code: str, amount: int, *, currency: str = CURRENCY) -> None:
        async with transaction(self.pool) as connection:
            await issue_voucher(
                connection, tenant=self.tenant, code=code, currency=currency, amount=amount
            )

    async def put_credit(self, amount: int, customer_id: str = CUSTOMER) -> None:
        async with transaction(self.pool) as connection:
            await issue_credit(
                connection,
                tenant=self.tenant,
                customer_id=customer_id,
                currency=CURRENCY,
                amount=amount,
                reason="a test",
                credit_id=uuid.uuid4().hex,
            )

    async def spendable(self, kind: str, owner: str) -> int:
        """What is left on a voucher or of a customer's store credit."""
        async with self.pool.acquire() as connection:
            left: int | None = await connection.fetchval(
                "select balance from ledger_accounts "
                "where tenant = $1 and kind = $2 and owner = $3 and currency = $4",
                *(self.tenant, kind, owner, CURRENCY),
            )
        return left or 0

    # --- Orders ----------------------------------------------------------------------------------

    def new_order(
        self,
        *payments: NewPayment,
        lines: Sequence[tuple[str, int]] = (("mug", 1),),
        carrier: str = MERCHANT,
        total: int | None = None,
        customer_id: str = CUSTOMER,
        hold: Hold | None = None,
        priced: Sequence[Line] = (),
    ) -> NewOrder:
        """What is paid for seldom matters here: unless they are `priced`, goods cost nothing, and their
        shipping does."""
        asked = sum(p.plan.amount for p in payments) if total is None else total
        goods = priced or [Line(sku, quantity, unit_price=0, tax=0) for sku, quantity in lines]
        return NewOrder(
            id=new_id("ord"),
            tenant=self.tenant,
            customer_id=customer_id,
            currency=CURRENCY,
            total=asked,
            shipping_fee=asked - sum(g.quantity * g.unit_price + g.tax for g in goods),
            country="BR",
            lines=tuple(goods),
            payments=payments,
            parcel=Parcel(new_id("shp"), carrier, "standard"),
            deadline=datetime.now(UTC) + timedelta(hours=1),
            customer={"name": "Ana"},
            shipping_address={"country": "BR"},
            metadata={},
            hold=hold,
        )

    async def accept(self, *orders: NewOrder) -> None:
        """All of them in one transaction: accepting is not what is tested here."""
        async with transaction(self.pool) as connection:
            for order in orders:
                await accept_order(connection, order)

    async def order(
        self,
        *payments: NewPayment,
        lines: Sequence[tuple[str, int]] = (("mug", 1),),
        carrier: str = MERCHANT,
        priced: Sequence[Line] = (),
    ) -> NewOrder:
        """An accepted one."""
        order = self.new_order(*payments, lines=lines, carrier=carrier, priced=priced)
        await self.accept(order)
        return order

    async def remote_order(self, *payments: NewPayment) -> NewOrder:
        """An accepted one that the carrier brings, with what it takes on the shelf."""
        await self.put_stock(mug=10)
        return await self.order(*payments, carrier=SANDBOX)

    async def book(self, order: NewOrder) -> Vote:
        """A place at the carrier."""
        place = Booking(f"T-{order.id}")
        return await self.records.parcel_answered(parcel_of(order), order.parcel.id, place)

    async def sent_order(
        self,
        *payments: NewPayment,
        lines: Sequence[tuple[str, int]] = (("mug", 1),),
        priced: Sequence[Line] = (),
    ) -> NewOrder:
        """A confirmed one that the carrier brings; its cards are captured."""
        order = await self.order(*payments, lines=lines, carrier=SANDBOX, priced=priced)
        await self.hold(order)
        await self.book(order)
        for asked in payments:
            if not asked.plan.is_ours:
                await self.authorize(order, asked)
                await self.capture(order, asked)
        assert (await self.confirm(order)).verdict == "confirm"
        return order

    async def hold(self, order: NewOrder) -> tuple[Vote, ...]:
        """Everything of our own site."""
        return await self.own_site.hold(order.id, self.own_steps(order))

    async def held_order(self, *payments: NewPayment) -> NewOrder:
        """An accepted one of which our own site holds everything."""
        order = await self.order(*payments)
        await self.hold(order)
        return order

    async def confirm(self, order: NewOrder) -> Decision:
        return await self.own_site.decide(order.id, None, nothing_else=True)

    async def undo(
        self, order: NewOrder, why: Refusal = DECLINED, *, nothing_else: bool = True
    ) -> Decision:
        return await self.own_site.decide(order.id, why, nothing_else=nothing_else)

    async def buy(self, order: NewOrder) -> Decision:
        """What the workflow of an order that stays on our own site does."""
        steps = self.own_steps(order)
        return await self.own_site.decide(order.id, None, nothing_else=True, holding=steps)

    async def give_back(self, order: NewOrder, why: Refusal = CHANGED_MIND) -> Standing:
        """What follows when the parcel of a confirmed order will not come."""
        await self.own_site.open_reversal(order.id, why)
        return await self.own_site.reverse(order.id)

    async def sees(
        self, order: NewOrder, status: str, *, hour: int = 0, event_id: str | None = None
    ) -> Followed:
        """What the carrier says of its parcel, so many hours after the first thing."""
        return await self.own_site.follow_parcel(order.id, sighting(order, status, hour, event_id))

    async def refund(self, order: NewOrder, plan: RefundPlan, to: Destination = "payer") -> None:
        """A refund at a provider."""
        step = Step(order.id, plan.step)
        await self.records.begin(step)
        await self.records.refunded(step, plan, to=to)

    async def ask_return(self, order: NewOrder, **units: int) -> str:
        """A buyer wants to send so many units back, or all that he has; its id."""
        asked = NewReturn(id=new_id("ret"), wanted=units or None, reason="too small")
        async with transaction(self.pool) as connection:
            await store_return(
                connection,
                order_id=order.id,
                return_window_s=ALWAYS_S,
                undo_retry_cap_s=1,
                asked=asked,
            )
        return asked.id

    async def answer_return(self, order: NewOrder, return_id: str, *words: str) -> None:
        """The seller's words, one after the other: `approve`, `decline`, `receive`."""
        for word in words:
            async with transaction(self.pool) as connection:
                await store_return_move(
                    connection, order_id=order.id, return_id=return_id, asks=word, by="key_1"
                )

    async def happens(self, order: NewOrder, *types: str) -> None:
        """What a carrier and a buyer would make happen."""
        async with transaction(self.pool) as connection:
            locked = await lock_order(connection, order.id)
            await record(connection, locked, *(Happening.of(type_) for type_ in types))

    async def ask_to_cancel(self, order: NewOrder) -> None:
        """As the API stores it."""
        request = OrderRequest(new_id("req"), "cancel", "customer")
        async with transaction(self.pool) as connection:
            await store_cancel(
                connection,
                order_id=order.id,
                return_window_s=RETURN_WINDOW_S,
                request=request,
                reason="late",
            )

    async def look(self, order: NewOrder) -> LockedOrder:
        """How it stands."""
        async with transaction(self.pool) as connection:
            return await lock_order(connection, order.id)

    async def verdict(self, order: NewOrder) -> str | None:
        """The stored decision."""
        async with self.pool.acquire() as connection:
            stored: str | None = await connection.fetchval(
                "select decision from decisions where order_id = $1", order.id
            )
        return stored

    async def cancel_answers(self, order: NewOrder) -> list[str | None]:
        """What became of each cancel that was asked, oldest first; None: not answered."""
        async with self.pool.acquire() as connection:
            rows = await connection.fetch(
                "select answer from order_requests where order_id = $1 order by id", order.id
            )
        return [row["answer"] for row in rows]

    async def events(self, order: NewOrder) -> list[str]:
        """What happened to it, oldest first."""
        async with self.pool.acquire() as connection:
            rows = await connection.fetch(
                "select type from order_events where order_id = $1 order by sequence", order.id
            )
        return [row["type"] for row in rows]

    # --- What remote steps write down ----------------------------------------------------------

    async def authorize(self, order: NewOrder, asked: NewPayment) -> Vote:
        """A provider's payment up to its hold."""
        step, reference = step_of(order, asked), new_reference()
        await self.records.begin(step)
        await self.records.keep_reference(step, asked.plan.id, reference)
        held = answer("held", asked, reference=reference)
        return await self.records.payment_answered(step, asked.plan.id, held)

    async def capture(self, order: NewOrder, asked: NewPayment) -> Vote:
        taken = answer("taken", asked)
        return await self.records.payment_captured(step_of(order, asked), asked.plan.id, taken)

    @staticmethod
    def own_steps(order: NewOrder) -> list[str]:
        ours = [p.plan.step for p in order.payments if p.plan.is_ours]
        parcel = [order.parcel.step] if order.parcel.is_ours else []
        return [keys.STOCK, *ours, *parcel]
