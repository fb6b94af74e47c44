"""An order that stays at a named moment until it is told to go on; and all the moments there are."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx

from ordersaga.keys import workflow_id
from tests.faults.acts import Gate
from tests.faults.bench import ENDS_WITHIN_S, SharedShop
from tests.faults.families import OwnBench
from tests.faults.lab import Lab
from tests.faults.orders_to_workers import Plan
from tests.faults.table import (
    CANCELED,
    CARD_AND_DECLINED,
    DECLINED,
    FIRST,
    Cell,
    Ends,
    Fault,
    Point,
)
from tests.saga.shop import Json, card, payment

BY_CARD_AND_WALLET: Final = (card("tok_ok", FIRST), payment("alipay"))


@dataclass(frozen=True)
class Moment:
    """`interrupts`: a cancel is carried out while the activity still hangs.

    `too_late`: the order is on its way back already, and refuses a cancel.
    """

    phase: str
    activity: str
    when: str  # before or after its effect
    interrupts: bool = False
    payments: tuple[Json, ...] = BY_CARD_AND_WALLET
    ends: Ends = CANCELED
    canceled_before: bool = False  # the cancel of the test is the second one
    too_late: bool = False

    @property
    def name(self) -> str:
        return f"{self.phase}-{self.when}-{self.activity}"


def _undoing(activity: str, when: str) -> Moment:
    return Moment("undo", activity, when, payments=CARD_AND_DECLINED, ends=DECLINED, too_late=True)


MOMENTS: Final = (
    Moment("hold", "hold_own_site", "before"),
    Moment("hold", "hold_own_site", "after"),
    Moment("hold", "authorize_payment", "before", interrupts=True),
    Moment("hold", "authorize_payment", "after", interrupts=True),
    Moment("hold", "book_parcel", "before", interrupts=True),
    Moment("hold", "book_parcel", "after", interrupts=True),
    Moment("take", "charge_payment", "before", interrupts=True),
    Moment("take", "charge_payment", "after", interrupts=True),
    Moment("take", "capture_payment", "before", interrupts=True),
    Moment("take", "capture_payment", "after", interrupts=True),
    Moment("decide", "decide_order", "before"),
    Moment("decide", "decide_order", "after"),
    _undoing("undo_payment", "before"),
    _undoing("undo_payment", "after"),
    _undoing("cancel_parcel", "after"),
    _undoing("close_order", "before"),
    Moment("release", "release_parcel", "before", interrupts=True),
    Moment("release", "release_parcel", "after", interrupts=True),
    Moment("recall", "cancel_parcel", "before", canceled_before=True),
    Moment("recall", "cancel_parcel", "after", canceled_before=True),
    Moment("reversal", "refund_payment", "before", canceled_before=True, too_late=True),
    Moment("reversal", "reverse_own_site", "after", canceled_before=True, too_late=True),
)


class PinnedOrder(OwnBench):
    """An order that stays at a moment until `gate` is opened."""

    @classmethod
    async def place_at(
        cls, lab: Lab, moment: Moment, *, hangs: Mapping[str, Gate] | None = None
    ) -> PinnedOrder:
        """`hangs`: other activities of it that wait, and for what."""
        order = await cls.prepare(lab, moment, hangs=hangs)
        await order.until_pinned()
        return order

    @classmethod
    async def prepare(
        cls, lab: Lab, moment: Moment, *, hangs: Mapping[str, Gate] | None = None
    ) -> PinnedOrder:
        """It will stay there once it comes there."""
        point = Point(
            name=moment.name,
            family="own",
            activity=moment.activity,
            payments=moment.payments,
            canceled_later=moment.canceled_before,
            ends=moment.ends,
        )
        order = cls(lab, Cell(point, Fault("cancel", "")), await SharedShop.open(lab))

        async def arrange() -> None:
            await order.wait_at(moment.when)
            for activity, gate in (hangs or {}).items():
                lab.desk.plan(order.order_id, activity, Plan(before=gate))

        await order.begin(arrange)
        return order

    async def until_pinned(self) -> None:
        assert self.gate is not None
        async with asyncio.timeout(ENDS_WITHIN_S):
            await self.gate.reached.wait()

    def let_go(self) -> None:
        assert self.gate is not None
        self.gate.opened.set()

    async def ask_to_cancel(self, number: int = 1) -> httpx.Response:
        return await self.cancel(key=f"cancel-{number}-{self.key}")

    async def cancel_in_temporal(self) -> None:
        await self.lab.temporal.get_workflow_handle(workflow_id(self.order_id)).cancel()

    async def until_asked(self, asked: list[asyncio.Task[httpx.Response]]) -> None:
        """Until each cancel of a buyer is stored, or refused."""
        async with asyncio.timeout(ENDS_WITHIN_S):
            while not all(task.done() for task in asked):
                history = await self.shop.history(self.order_id)
                if history.count("cancel.requested") >= len(asked):
                    return
                await asyncio.sleep(0.05)

    async def end_undone_once(self) -> None:
        """As it had to, with nothing left, and nothing given back twice."""
        await self.end()
        await self.check()
        history = await self.shop.history(self.order_id)
        back = [e for e in history if e in ("payment.voided", "payment.refunded", "payment.failed")]
        assert len(back) == len(self.payments), history
        refunds = [r["payment_intent"] for r in (await self.shop.books(self.order_id)).refunds]
        assert len(refunds) == len(set(refunds)), "somebody got his money twice"
        open_requests = "select count(*) from order_requests where order_id = $1 and answer is null"
        assert await self.lab.tables.fetchval(open_requests, self.order_id) == 0
        self.lab.ended.append(self.order_id)
