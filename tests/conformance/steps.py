"""Steps run by hand, without an engine: the real activities on the real adapters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from temporalio.testing import ActivityEnvironment

from activities.parcel import ParcelActivities
from activities.payment import PaymentActivities
from activities.steps import ParcelStep, PaymentStep
from adapters.carrier_http import HttpCarrier
from adapters.postgres.pool import Pool
from adapters.postgres.records import PostgresRecords
from adapters.stripe import StripeGateway
from cli.stack.ready import Ready
from ordersaga.order import NewOrder, NewPayment

PAYER_PATIENCE_S: Final = 3600

T = TypeVar("T")
Ask = TypeVar("Ask")


@dataclass
class Steps:
    """Whoever runs a step here does it now, and as often as it is asked for."""

    payments: PaymentActivities
    parcels: ParcelActivities

    async def run(self, step: Callable[[Ask], Awaitable[T]], ask: Ask) -> T:
        return await ActivityEnvironment().run(step, ask)


@asynccontextmanager
async def steps_on(ready: Ready, pool: Pool) -> AsyncIterator[Steps]:
    records = PostgresRecords(pool, payer_patience_s=PAYER_PATIENCE_S)
    gateway = StripeGateway(api_key=ready.payment_provider_key, base_url=ready.payment_provider)
    carrier = HttpCarrier(base_url=ready.carrier, key=ready.carrier_key)
    try:
        yield Steps(
            PaymentActivities(gateway, records), ParcelActivities({"sandbox": carrier}, records)
        )
    finally:
        await gateway.aclose()
        await carrier.aclose()


def paying(order: NewOrder, asked: NewPayment) -> PaymentStep:
    return PaymentStep(order.id, asked.plan)


def shipping(order: NewOrder) -> ParcelStep:
    return ParcelStep(order.id, order.parcel.id)
