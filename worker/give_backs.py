"""Returns and refunds that nobody may be driving: their workflows are started, and told to look."""

from __future__ import annotations

from typing import Final

import structlog

from adapters.postgres import give_backs
from adapters.postgres.pool import Pool, reading
from adapters.temporal import OrderWorkflows
from ordersaga.config import Settings
from ordersaga.errors import EngineUnavailable

BATCH: Final = 20  # of each kind a round, in turn: most wait for their goods, and are well
GRACE_S: Final = 3.0  # the API's own try comes first, and is nearly always enough
LATE_REFUND_S: Final = 60.0  # it goes back at once, unless its provider is away or nobody is at it

log = structlog.get_logger()


class GiveBackSweep:
    """To start what is started, and to tell what was told, costs a call and changes nothing."""

    def __init__(self, pool: Pool, workflows: OrderWorkflows, settings: Settings) -> None:
        self._pool = pool
        self._workflows = workflows
        self._retry_cap_s = settings.undo_retry_cap_s
        self._looked_at_return = give_backs.FIRST_RETURN_ID
        self._looked_at_refund = give_backs.FIRST_REQUEST_ID
        self._looked_at_late_refund = give_backs.FIRST_REFUND_ID

    async def run_once(self) -> None:
        """One round. Raises `Unavailable`: PostgreSQL is away."""
        for kind in (self._returns, self._refunds, self._late_refunds):
            try:
                await kind()
            except EngineUnavailable as error:
                log.warning("sweep.put_off", error=str(error))

    async def _returns(self) -> None:
        async with reading(self._pool) as connection:
            page = await give_backs.find_open_returns(
                connection,
                after=self._looked_at_return,
                older_than_s=GRACE_S,
                undo_retry_cap_s=self._retry_cap_s,
                limit=BATCH,
            )
        is_full = len(page) == BATCH
        self._looked_at_return = page[-1].id if is_full else give_backs.FIRST_RETURN_ID
        for return_ in page:
            await self._workflows.start_return(return_.ticket, again=True)
            await self._workflows.tell_return(return_.id, return_.status)

    async def _refunds(self) -> None:
        async with reading(self._pool) as connection:
            page = await give_backs.find_open_refund_requests(
                connection,
                after=self._looked_at_refund,
                older_than_s=GRACE_S,
                undo_retry_cap_s=self._retry_cap_s,
                limit=BATCH,
            )
        is_full = len(page) == BATCH
        self._looked_at_refund = page[-1].id if is_full else give_backs.FIRST_REQUEST_ID
        for refund in page:
            await self._workflows.start_refund(refund.ticket, again=True)

    async def _late_refunds(self) -> None:
        """Whoever was at it, an order's workflow or one for a message, may be lost."""
        async with reading(self._pool) as connection:
            page = await give_backs.find_late_refunds(
                connection,
                after=self._looked_at_late_refund,
                older_than_s=LATE_REFUND_S,
                undo_retry_cap_s=self._retry_cap_s,
                limit=BATCH,
            )
        is_full = len(page) == BATCH
        self._looked_at_late_refund = page[-1].id if is_full else give_backs.FIRST_REFUND_ID
        for refund in page:
            await self._workflows.start_payment_news(refund.ticket)
