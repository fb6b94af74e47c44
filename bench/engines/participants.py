"""The steps themselves: the product's own SQL, one transaction a participant, or what it merges.

Every engine runs these, so that only the engine and the number of its steps differ. Each may be repeated:
an engine that was killed runs its last step again. A step returns why it says no, or nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from adapters.postgres import stock
from adapters.postgres.accounts import issue_credit
from adapters.postgres.catalog import read_stock, set_stock
from adapters.postgres.history import lock_order, record
from adapters.postgres.ledger import Ledger, ledger_payments
from adapters.postgres.orders import accept_order
from adapters.postgres.own_site import PostgresOwnSite
from adapters.postgres.pool import Pool, connect_pool, load_queries, transaction
from adapters.postgres.records import PostgresRecords
from adapters.stripe import StripeGateway
from bench.engines.flow import CURRENCY, PRICE, TENANT, UNDO, Ask, customer, new_order, sku
from bench.engines.where import Where
from ordersaga import keys
from ordersaga.history import Happening
from ordersaga.keys import Step
from ordersaga.lifecycle import PaymentStatus
from ordersaga.order import NewOrder, Refusal, Vote

_sql = load_queries("saga")

POOL: Final = 10  # connections a process, as the product's default
ENOUGH: Final = 1_000_000  # units of each SKU
PAYER_PATIENCE_S: Final = 7 * 24 * 3600
GIVEN_UP: Final = Refusal("bench", "refused", "a step said no")

RunStep = Callable[[Ask], Awaitable[str | None]]


class Participants:
    """Stock, store credit, the merchant's parcel, a card: bound to a pool and a provider."""

    def __init__(self, pool: Pool, gateway: StripeGateway) -> None:
        self._pool = pool
        self.gateway = gateway
        self._site = PostgresOwnSite(pool)
        self._records = PostgresRecords(pool, payer_patience_s=PAYER_PATIENCE_S)
        self._ledger = Ledger()

    def step(self, name: str) -> RunStep:
        found: RunStep = getattr(self, name)
        return found

    async def run(self, ask: Ask) -> str | None:
        """All of them, in turn, with nobody who would go on if this process died."""
        for name in ask.steps:
            if refusal := await self.step(name)(ask):
                await self.step(UNDO)(ask)
                return refusal
        return None

    # --- Before any engine -------------------------------------------------------------------------

    async def accept(self, order: NewOrder) -> None:
        """The order as it begins. What answers a buyer 2xx is stored, whichever engine goes on."""
        async with transaction(self._pool) as connection:
            await accept_order(connection, order)

    async def fill_shelves(self, clients: int) -> None:
        """Each client has its own SKU and its own store credit, so that none waits for another. Once."""
        async with transaction(self._pool) as connection:
            if await read_stock(connection, tenant=TENANT, skus=[sku(0)]):
                return
            await set_stock(
                connection, tenant=TENANT, on_hand={sku(n): ENOUGH for n in range(clients)}
            )
            for n in range(clients):
                await issue_credit(
                    connection,
                    tenant=TENANT,
                    customer_id=customer(n),
                    currency=CURRENCY,
                    amount=ENOUGH * PRICE,
                    reason="bench",
                    credit_id=f"bench-{n}",
                )
        order = new_order(0, "own site")  # opens the house's accounts, once
        await self.accept(order)
        await self.run(Ask.of(order, "own site", "merged"))

    # --- A step a participant ----------------------------------------------------------------------

    async def reserve_stock(self, ask: Ask) -> str | None:
        return await self._hold(ask, keys.STOCK)

    async def hold_credit(self, ask: Ask) -> str | None:
        return await self._hold(ask, keys.payment_step(ask.payment_id))

    async def book_parcel(self, ask: Ask) -> str | None:
        return await self._hold(ask, keys.parcel_step(ask.parcel_id))

    async def take_stock(self, ask: Ask) -> str | None:
        async with transaction(self._pool) as connection:
            await stock.commit(connection, await lock_order(connection, ask.order_id))
        return None

    async def take_credit(self, ask: Ask) -> str | None:
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, ask.order_id)
            if order.state.payment(ask.payment_id).status == PaymentStatus.CAPTURED:
                return None
            ours = ledger_payments(order)
            await self._ledger.take(connection, order, ours)
            taken = [
                Happening.of("payment.captured", payment_id=p.id, amount=p.amount) for p in ours
            ]
            await record(connection, order, *taken)
        return None

    async def confirm_order(self, ask: Ask) -> str | None:
        async with transaction(self._pool) as connection:
            order = await lock_order(connection, ask.order_id)
            is_first = await _sql.write_decision(
                connection, order_id=order.id, decision="confirm", failure=None
            )
            if is_first:
                await record(connection, order, Happening.of("order.confirmed"))
        return None

    # --- As the product merges them ----------------------------------------------------------------

    async def hold_own_site(self, ask: Ask) -> str | None:
        return await self._hold(ask, *self._own_steps(ask))

    async def decide_order(self, ask: Ask) -> str | None:
        decision = await self._site.decide(ask.order_id, None, nothing_else=ask.mix != "card")
        return decision.failure.code if decision.failure else None

    async def hold_and_decide(self, ask: Ask) -> str | None:
        decision = await self._site.decide(
            ask.order_id, None, nothing_else=True, holding=self._own_steps(ask)
        )
        return decision.failure.code if decision.failure else None

    # --- The card: what the product's activities do, in the same order -----------------------------

    async def authorize_payment(self, ask: Ask) -> str | None:
        step = Step(ask.order_id, keys.payment_step(ask.payment_id))
        if (answered := await self._records.begin(step)) is not None:
            return _no(answered)
        payment = await self._records.payment(step, ask.payment_id)
        reference = payment.reference
        if reference is None:
            made = await self.gateway.create(payment.request)
            if isinstance(made, Refusal):
                return _no(await self._records.payment_refused(step, ask.payment_id, made))
            reference = await self._records.keep_reference(step, ask.payment_id, made)
            assert reference is not None, "nobody undoes it meanwhile"
        answer = await self.gateway.confirm(reference, payment.request)
        return _no(await self._records.payment_answered(step, ask.payment_id, answer))

    async def capture_payment(self, ask: Ask) -> str | None:
        step = Step(ask.order_id, keys.payment_step(ask.payment_id))
        if (too_late := await self._records.may_take(step)) is not None:
            return _no(too_late)
        payment = await self._records.payment(step, ask.payment_id)
        assert payment.reference is not None
        answer = await self.gateway.capture(payment.reference, payment.request)
        return _no(await self._records.payment_captured(step, ask.payment_id, answer))

    # --- The way back ------------------------------------------------------------------------------

    async def undo_order(self, ask: Ask) -> str | None:
        """All of it at once: our own site in one transaction, then the card's hold."""
        await self._site.decide(ask.order_id, GIVEN_UP, nothing_else=ask.mix != "card")
        if ask.mix == "card":
            step = Step(ask.order_id, keys.payment_step(ask.payment_id))
            payment = await self._records.payment(step, ask.payment_id)
            if payment.reference is not None:
                await self.gateway.cancel(payment.reference, payment.request)
            await self._site.close(ask.order_id)
        return None

    @staticmethod
    def _own_steps(ask: Ask) -> tuple[str, ...]:
        payment = [] if ask.mix == "card" else [keys.payment_step(ask.payment_id)]
        return (keys.STOCK, *payment, keys.parcel_step(ask.parcel_id))

    async def _hold(self, ask: Ask, *steps: str) -> str | None:
        votes = await self._site.hold(ask.order_id, steps)
        return next((vote.refusal.code for vote in votes if vote.refusal), None)


def _no(vote: Vote) -> str | None:
    return vote.refusal.code if vote.refusal else None


@asynccontextmanager
async def participants_of(where: Where) -> AsyncIterator[Participants]:
    """Of one engine's process: its pool, its provider's client."""
    pool = await connect_pool(where.database, size=POOL, application_name=f"bench-{where.engine}")
    gateway = StripeGateway(api_key=where.provider_key, base_url=where.provider)
    try:
        yield Participants(pool, gateway)
    finally:
        await gateway.aclose()
        await pool.close()
