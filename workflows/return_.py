"""A return as a durable workflow: it waits for the goods, then gives their money back."""

from __future__ import annotations

from contextlib import suppress

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.local import OwnSiteActivities
    from ordersaga.lifecycle import ReturnStatus
    from ordersaga.order import GiveBackTicket, OrderRequest, ReturnStanding
    from workflows import names, policy, words
    from workflows.asks import refund_payment
    from workflows.attention import InAttention
    from workflows.cancellation import until
    from workflows.display import Display
    from workflows.own_site import here
    from workflows.saga import Saga

OVER = (ReturnStatus.DECLINED, ReturnStatus.REFUNDED)


@workflow.defn(name=names.RETURN_WORKFLOW)
class ReturnWorkflow(InAttention):
    """One return of one order. What people decide of it is written in our tables; it is told to look."""

    @workflow.init
    def __init__(self, ticket: GiveBackTicket) -> None:
        self._ticket = ticket
        self._display = Display()
        self._saga = Saga(self._display)
        self._is_told_to_look = False

    @workflow.run
    async def run(self, ticket: GiveBackTicket) -> str:
        standing = await self._look()
        while standing.status not in (*OVER, ReturnStatus.RECEIVED):
            self._display.tell(words.return_is(standing.status, look_again=policy.LOOK_AGAIN))
            with suppress(TimeoutError):  # it looks by itself too: to be told can be lost
                await until(
                    lambda: self._is_told_to_look,
                    timeout=policy.LOOK_AGAIN,
                    summary=f"look again at a return that is {standing.status}",
                )
            standing = await self._look()
        if standing.status in OVER:
            self._display.tell(words.ended(standing.status, None))
            return standing.status
        self._display.tell(words.goods_are_back(ticket.currency, standing.refunds))
        await self._saga.insist_on_all(
            refund_payment(
                ticket.order_id,
                ticket.currency,
                refund,
                policy.insisting(retry_cap_s=ticket.undo_retry_cap_s),
            )
            for refund in standing.refunds
            if not refund.is_ours
        )
        ended = await here(
            OwnSiteActivities.settle_return, self._return_id, "write down that all of it went back"
        )
        self._display.tell(words.ended(ended, None))
        return ended

    @workflow.update(name=names.REQUEST_UPDATE)
    def request(self, request: OrderRequest) -> None:
        """An operator's word for a refund that keeps failing."""
        self._saga.instruct(request)

    @workflow.signal(name=names.LOOK_SIGNAL)
    def look(self) -> None:
        """Something was decided about it: approved, declined, received."""
        self._is_told_to_look = True

    async def _look(self) -> ReturnStanding:
        self._is_told_to_look = False
        return await here(
            OwnSiteActivities.look_at_return, self._return_id, "look at how the return stands"
        )

    @property
    def _return_id(self) -> str:
        assert self._ticket.return_id is not None, "it is a return's ticket"
        return self._ticket.return_id
