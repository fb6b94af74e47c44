"""Money that goes back without goods: an operator's refund, and what came too late for its order."""

from __future__ import annotations

from collections.abc import Iterable

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.local import OwnSiteActivities
    from ordersaga.messages import PaymentNewsTicket
    from ordersaga.order import GiveBackTicket, OrderRequest, RefundPlan
    from workflows import names, policy, words
    from workflows.asks import examine_payment, refund_payment
    from workflows.attention import InAttention
    from workflows.display import Display
    from workflows.own_site import here
    from workflows.saga import SKIPPED, Obligation, Saga


@workflow.defn(name=names.REFUND_WORKFLOW)
class RefundWorkflow(InAttention):
    """A refund that an operator asked for. How much of which payment is written in our tables."""

    @workflow.init
    def __init__(self, ticket: GiveBackTicket) -> None:
        self._display = Display()
        self._saga = Saga(self._display)

    @workflow.run
    async def run(self, ticket: GiveBackTicket) -> None:
        assert ticket.request_id is not None
        refunds = await here(
            OwnSiteActivities.requested_refunds,
            ticket.request_id,
            "look at which payments it is of",
        )
        self._display.tell(words.refunds_of(ticket.currency, refunds))
        options = policy.insisting(retry_cap_s=ticket.undo_retry_cap_s)
        await self._saga.insist_on_all(_remote(ticket.order_id, ticket.currency, refunds, options))
        await here(
            OwnSiteActivities.settle_refund,
            ticket.request_id,
            "write down that all of it went back",
        )
        self._display.tell(words.ALL_WENT_BACK)

    @workflow.update(name=names.REQUEST_UPDATE)
    def request(self, request: OrderRequest) -> None:
        """An operator's word for a refund that keeps failing."""
        self._saga.instruct(request)


@workflow.defn(name=names.PAYMENT_NEWS_WORKFLOW)
class PaymentNewsWorkflow(InAttention):
    """Something was heard of a payment whose order is over: looked at, and given back if need be."""

    @workflow.init
    def __init__(self, ticket: PaymentNewsTicket) -> None:
        self._display = Display()
        self._saga = Saga(self._display)

    @workflow.run
    async def run(self, ticket: PaymentNewsTicket) -> int:
        """How many refunds that led to."""
        options = policy.insisting(retry_cap_s=ticket.undo_retry_cap_s)
        self._display.tell(words.looks_at(ticket.news))
        refunds = await self._saga.insist(examine_payment(ticket.order_id, ticket.news, options))
        if refunds is SKIPPED:
            self._display.tell(words.NOT_LOOKED_AT)
            return 0
        self._display.tell(words.refunds_of(ticket.currency, refunds))
        await self._saga.insist_on_all(_remote(ticket.order_id, ticket.currency, refunds, options))
        self._display.tell(words.looked_at(len(refunds)))
        return len(refunds)

    @workflow.update(name=names.REQUEST_UPDATE)
    def request(self, request: OrderRequest) -> None:
        """An operator's word for a step that keeps failing."""
        self._saga.instruct(request)


def _remote(
    order_id: str, currency: str, refunds: Iterable[RefundPlan], options: policy.RemoteOptions
) -> list[Obligation]:
    return [refund_payment(order_id, currency, r, options) for r in refunds if not r.is_ours]
