"""The local lane: transactions of our own site, run within the workflow's own task."""

from __future__ import annotations

from datetime import datetime

from temporalio import activity

from activities.steps import Because, Decide, FollowParcel, HoldOwnSite
from ordersaga.order import (
    Decision,
    Followed,
    RefundPlan,
    ReturnStanding,
    ReversalOpened,
    Standing,
    Vote,
)
from ordersaga.ports import OwnSite


class OwnSiteActivities:
    """Each ends within 2 s or is cut off: a long local activity would delay cancels."""

    def __init__(self, own_site: OwnSite) -> None:
        self._own_site = own_site

    @activity.defn
    async def hold_own_site(self, ask: HoldOwnSite) -> tuple[Vote, ...]:
        return await self._own_site.hold(ask.order_id, ask.steps)

    @activity.defn
    async def decide_order(self, ask: Decide) -> Decision:
        return await self._own_site.decide(
            ask.order_id, ask.objection, nothing_else=ask.nothing_else, holding=ask.holding
        )

    @activity.defn
    async def close_order(self, order_id: str) -> Standing:
        return await self._own_site.close(order_id)

    @activity.defn
    async def follow_parcel(self, seen: FollowParcel) -> Followed:
        return await self._own_site.follow_parcel(seen.order_id, seen.news)

    @activity.defn
    async def resume_order(self, order_id: str) -> Followed:
        return await self._own_site.resume(order_id)

    @activity.defn
    async def look_at_hold(self, order_id: str) -> datetime | None:
        return await self._own_site.held_until(order_id)

    @activity.defn
    async def complete_order(self, order_id: str) -> Standing:
        return await self._own_site.complete(order_id)

    @activity.defn
    async def open_reversal(self, ask: Because) -> ReversalOpened:
        return await self._own_site.open_reversal(ask.order_id, ask.reason)

    @activity.defn
    async def reverse_own_site(self, order_id: str) -> Standing:
        return await self._own_site.reverse(order_id)

    @activity.defn
    async def refuse_cancel(self, ask: Because) -> None:
        await self._own_site.refuse_cancel(ask.order_id, ask.reason)

    @activity.defn
    async def look_at_return(self, return_id: str) -> ReturnStanding:
        return await self._own_site.look_at_return(return_id)

    @activity.defn
    async def settle_return(self, return_id: str) -> str:
        return await self._own_site.settle_return(return_id)

    @activity.defn
    async def requested_refunds(self, request_id: str) -> tuple[RefundPlan, ...]:
        return await self._own_site.requested_refunds(request_id)

    @activity.defn
    async def settle_refund(self, request_id: str) -> None:
        await self._own_site.settle_refund(request_id)
