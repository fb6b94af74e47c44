"""Parcels at a carrier: book, tell it to come, cancel. By our own key: a cancel needs no answer."""

from __future__ import annotations

from collections.abc import Mapping

from temporalio import activity

from activities.steps import ParcelStep, calling_a_person
from ordersaga.errors import ProviderAnswerWrong
from ordersaga.order import Refusal, Vote
from ordersaga.ports import Carrier, Records


class ParcelActivities:
    """The queued lane of parcels. `carriers`: by the name that orders give."""

    def __init__(self, carriers: Mapping[str, Carrier], records: Records) -> None:
        self._carriers = carriers
        self._records = records

    @activity.defn
    async def book_parcel(self, ask: ParcelStep) -> Vote:
        """Keeps a place at the carrier. Undone by `cancel_parcel`."""
        answered = await self._records.begin(ask.step)
        if answered is not None:
            return answered
        parcel = await self._records.parcel(ask.shipment_id)
        answer = await self._carriers[parcel.carrier].book(
            ask.step.key,
            service=parcel.service,
            reference=parcel.order_id,
            country=parcel.country,
        )
        return await self._records.parcel_answered(ask.step, ask.shipment_id, answer)

    @activity.defn
    async def release_parcel(self, ask: ParcelStep) -> Vote:
        """Tells the carrier to come. Never undone: retried forward, or the parcel is canceled."""
        async with calling_a_person(self._records, ask.release):
            answered = await self._records.begin(ask.release)
            if answered is not None:
                return answered
            parcel = await self._records.parcel(ask.shipment_id)
            refusal = await self._carriers[parcel.carrier].release(ask.step.key)
            return await self._records.parcel_released(ask.release, ask.shipment_id, refusal)

    @activity.defn
    async def cancel_parcel(self, ask: ParcelStep) -> Refusal | None:
        """Cancels by key, also what was never booked. A refusal: the carrier has it already."""
        async with calling_a_person(self._records, ask.step):
            if await self._records.begin_undo(ask.step) == "undone":
                return None
            parcel = await self._records.parcel(ask.shipment_id)
            refusal = await self._carriers[parcel.carrier].cancel(ask.step.key)
            if refusal is None:
                await self._records.parcel_canceled(ask.step)
            elif ask.in_undo:
                raise ProviderAnswerWrong(f"the carrier keeps an undone parcel: {refusal.code}")
            return refusal
